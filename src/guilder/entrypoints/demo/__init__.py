"""Something to see: a company, a sandbox of it, and three months in the life of its customers.

It is made over the API as anybody would make it, with the sandbox's clock really moved; so it can be interrupted
anywhere, and is continued by doing whatever is not there yet.
"""

from guilder.entrypoints.demo.greeting import greet
from guilder.entrypoints.demo.seeding import seed

__all__ = ["greet", "seed"]
