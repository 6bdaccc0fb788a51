"""The client of the Haravan API: requests, responses, errors, rate limit, subscription, and the two dialects.

Other rooms execute the calls of a dialect with `Haravan.perform`, under permits of their choice.
"""

from workers.haravan.calls import Call, Request
from workers.haravan.client import CALL_TIMEOUT_S, Haravan, count_requests, open_session
from workers.haravan.decoding import Batch, RawBatch, compare
from workers.haravan.dialects import PAGE_SIZE, Dialect
from workers.haravan.rate_limit import Permits, RateLimitExceeded, ThrottledPermits, WaitingPermits
from workers.haravan.subscription import Subscription
from workers.haravan.token_check import ask_about_token, missing_scopes, owner_of_token

__all__ = [
    "CALL_TIMEOUT_S",
    "PAGE_SIZE",
    "Batch",
    "Call",
    "Dialect",
    "Haravan",
    "Permits",
    "RateLimitExceeded",
    "RawBatch",
    "Request",
    "Subscription",
    "ThrottledPermits",
    "WaitingPermits",
    "ask_about_token",
    "compare",
    "count_requests",
    "missing_scopes",
    "open_session",
    "owner_of_token",
]
