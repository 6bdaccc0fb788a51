"""Authentication: who sent a request, and how often an address may be wrong.

The ops API asks it for the actor of each request, and the pages how long a sign-in has to wait."""

from service.web.authentication.failures import FailureLimiter, client_of
from service.web.authentication.sign_ins import SignInLimiter
from service.web.authentication.token_auth import TokenAuth, bearer_of

__all__ = ["FailureLimiter", "SignInLimiter", "TokenAuth", "bearer_of", "client_of"]
