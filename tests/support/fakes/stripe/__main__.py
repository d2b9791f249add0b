"""The fake as a process of its own: `python -m tests.support.fakes.stripe PORT NAME`, with the account `sk_test_NAME`."""

import sys
import threading

from tests.support.fakes.stripe.server import FakeStripe

if __name__ == "__main__":
    with FakeStripe(int(sys.argv[1])) as fake:
        print(fake.url, fake.merchant(name=sys.argv[2]).secret_key, flush=True)
        threading.Event().wait()
