"""A Clerk of the tests' own: people, organizations, memberships and sessions; tokens, a backend API, and webhooks."""

from tests.support.fakes.clerk.server import Clerk, serving_clerk

__all__ = ["Clerk", "serving_clerk"]
