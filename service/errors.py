"""Every exception that this project raises on purpose, as a tree.

Each failure is sorted where it happens. The API client turns every HTTP status into one of these; no other code looks
at a status.

    TaggerError
    ├── InvalidSettings         the environment is wrong: all problems at once
    ├── MalformedData           a body, record or document that cannot be parsed
    │   └── InvalidRules        a rules document, with the line and column of every error
    ├── Refused                 a person asked for something that is not allowed
    │   └── NeedsApproval       a publish that changes so much that a person must approve it
    ├── Forbidden               a person asked for something that their role does not allow
    ├── NotFound                no such shop, version, run or customer
    ├── StoreUnavailable        Redis did not answer in time, or not at all
    │   └── QueueFull           too many webhooks wait for Redis
    ├── Overloaded              too many evaluations are running, or their process died
    └── HaravanError            an API call failed
        ├── RateLimited         429: the whole shop waits `retry_after_s`
        ├── TokenRejected       401, 403: the shop's token or its scope is wrong
        ├── CustomerNotFound    404: no such customer; a later call confirms it
        ├── RequestRejected     422 and other 4xx: this request fails however often it is sent
        └── ApiUnavailable      timeout, network error, 5xx, or a response that breaks the API's contract

A few exceptions are caught in the module or room that raises them, such as LeaseLost; they derive from TaggerError too.
"""

from __future__ import annotations


class TaggerError(Exception):
    """The root: everything that this project raises on purpose."""


class InvalidSettings(TaggerError):
    """The environment is wrong. The message names every problem, one a line, and shows no value."""


class MalformedData(TaggerError):
    """Bytes or a document that cannot be parsed. The message says where and why."""


class Refused(TaggerError):
    """A person asked for something that is not allowed. The message says why, and what to do."""


class Forbidden(TaggerError):
    """A person asked for something that their role does not allow. The message names the role that may do it."""


class NotFound(TaggerError):
    """There is no such shop, version, run or customer."""


class StoreUnavailable(TaggerError):
    """Redis did not answer in time, or not at all: nothing may be acknowledged."""


class Overloaded(TaggerError):
    """Too many evaluations are running, or the process of one died. The same call can be made again."""


class HaravanError(TaggerError):
    """An API call failed. `status` is the HTTP status, None without a response.

    The message has at most 200 characters of a body, and never a token or a customer's data.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class RateLimited(HaravanError):
    """429: no call of this shop may be made for `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message, status=429)
        self.retry_after_s = retry_after_s


class TokenRejected(HaravanError):
    """401 or 403: the token or its scope is wrong. `scope`: the one that the call needs, after a 403; "" if unknown."""

    def __init__(self, message: str, *, status: int | None = None, scope: str = "") -> None:
        super().__init__(message, status=status)
        self.scope = scope


class CustomerNotFound(HaravanError):
    """404: no such customer. A later call confirms it."""


class RequestRejected(HaravanError):
    """422 and other 4xx: this request fails however often it is sent."""


class ApiUnavailable(HaravanError):
    """Timeout, network error, 5xx, or a response that breaks the API's contract."""
