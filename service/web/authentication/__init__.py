"""Authentication: who sent a request, and how often an address may be wrong.

The ops API asks it for the actor of each request."""

from service.web.authentication.failures import FailureLimiter
from service.web.authentication.token_auth import TokenAuth

__all__ = ["FailureLimiter", "TokenAuth"]
