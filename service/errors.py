"""Everything that can go wrong, as a tree.

Each failure is sorted where it happens; nobody above looks at an HTTP status.

    TaggerError
    ├── BadSettings             the environment is wrong: every problem at once
    ├── Unreadable              a body, record or document that cannot be understood
    │   └── BadRules            a rules document, with every error's line and column
    ├── Refused                 a person asked for something that must not be done
    │   └── NeedsApproval       a publish that changes so much that somebody must say so first
    ├── NotFound                no such shop, version, run, customer
    ├── StoreAway               Redis did not answer in time, or not at all
    ├── Overloaded              too much CPU work is waiting, or its process died
    └── HaravanError            an API call that did not give what was asked for
        ├── Throttled           429: the whole shop waits `retry_after_s`
        ├── Unauthorised        401, 403: the shop's token or scope is wrong
        ├── Gone                404: no such customer (to be confirmed)
        ├── Rejected            422 and other 4xx: this request, as it is, will not do
        └── Unavailable         timeout, network, 5xx, an answer that is not what the API promises
"""

from __future__ import annotations


class TaggerError(Exception):
    """The root: catch this to catch everything that this project raises on purpose."""


class InvalidSettings(TaggerError):
    """The environment is wrong; the message names every problem, one a line, never a value."""


class MalformedData(TaggerError):
    """Bytes or a document that cannot be understood; the message says where and why."""


class Refused(TaggerError):
    """A person asked for something that must not be done; the message says why and what to do."""


class NotFound(TaggerError):
    """There is no such shop, version, run or customer."""


class StoreUnavailable(TaggerError):
    """Redis did not answer in time, or not at all: nothing may be promised."""


class Overloaded(TaggerError):
    """Too much CPU work is waiting, or the process that did it died: ask again."""


class HaravanError(TaggerError):
    """An API call that did not give what was asked for.

    `status` is the HTTP status, None when there was no answer. The text never carries a body
    longer than 200 characters, a token, or a customer's data.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class RateLimited(HaravanError):
    """429: nobody of this shop may call for `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message, status=429)
        self.retry_after_s = retry_after_s


class TokenRejected(HaravanError):
    """401 or 403: the token or its scope is wrong."""


class CustomerNotFound(HaravanError):
    """404: no such customer, to be confirmed by a second look later."""


class RequestRejected(HaravanError):
    """422 and other 4xx: this request, as it is, will not do."""


class ApiUnavailable(HaravanError):
    """Timeout, network, 5xx, or an answer that is not what the API promises."""
