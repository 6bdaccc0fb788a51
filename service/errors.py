"""Every exception that this project raises on purpose, as a tree.

Each failure is sorted where it happens. The API client turns every HTTP status into one of these; no other code looks
at a status.

    TaggerError
    ├── InvalidSettings         the environment is wrong: all problems at once
    ├── MalformedData           a body, record or document that cannot be parsed
    │   └── InvalidRules        a rules document, with the line and column of every error
    ├── Refused                 a person asked for something that is not allowed
    │   ├── NeedsApproval       a publish that changes so much that a person must approve it
    │   └── TokenRefused        the access token of a shop is not valid, of another shop, or lacks a scope
    ├── Forbidden               a person asked for something that their role does not allow
    ├── NotFound                no such shop, version, run or customer
    ├── TokenUnchecked          Haravan could not be asked about an access token
    ├── StoreUnavailable        Redis did not answer in time, or not at all
    │   ├── QueueFull           too many webhooks wait for Redis
    │   ├── StoreFull           Redis has only the memory left that settling and removing need
    │   └── OverQuota           the shop has too many customers or deliveries in Redis
    ├── Overloaded              too many evaluations are running, or their process died
    │   └── EvaluationDied      the process of this evaluation died
    └── HaravanError            an API call failed
        ├── RateLimited         429: the whole shop waits `retry_after_s`
        ├── TokenRejected       401, or 403 of a call for the whole shop: the token or its scope is wrong
        ├── CustomerNotFound    404: no such customer; a later call confirms it
        ├── RequestRejected     422 and other 4xx: this request fails however often it is sent
        │   └── AccessDenied    403 of a call for one customer: the shop's fault only if several customers get it
        └── ApiUnavailable      timeout, network error, 5xx, or a response that breaks the API's contract
            └── ResponseTooLarge    a response larger than we read: fewer customers may fit

A few exceptions are caught in the module or room that raises them, such as LeaseLost; they derive from TaggerError too.

The message of an exception that people see is a `Sentence`, so that pages and commands can show it in their language.
"""

from __future__ import annotations

from collections.abc import Sequence

from service.sentence import Sentence, Words


class TaggerError(Exception):
    """The root: everything that this project raises on purpose."""

    @property
    def message(self) -> str | Sentence:
        """What was raised with."""
        first = self.args[0] if self.args else ""
        return first if isinstance(first, Sentence) else str(first)

    def text(self, words: Words) -> str:
        """The message in the reader's language; in English if it is no `Sentence`."""
        message = self.message
        return message.text(words) if isinstance(message, Sentence) else message


class InvalidSettings(TaggerError):
    """The environment is wrong. `problems` are all problems: the message names each on a line, and shows no value."""

    def __init__(self, message: str | Sentence, *, problems: Sequence[str | Sentence] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {problem}" for problem in self.problems)])

    def text(self, words: Words) -> str:
        texts = (each.text(words) if isinstance(each, Sentence) else each for each in self.problems)
        return "\n".join([super().text(words), *(f"  - {each}" for each in texts)])


class MalformedData(TaggerError):
    """Bytes or a document that cannot be parsed. The message says where and why."""


class Refused(TaggerError):
    """A person asked for something that is not allowed. The message says why, and what to do."""


class TokenRefused(Refused):
    """The access token of a shop is not valid, belongs to another shop, or lacks a scope."""


class TokenUnchecked(TaggerError):
    """Haravan could not be asked about an access token, or did not answer. The same call can be made again."""


class Forbidden(TaggerError):
    """A person asked for something that their role does not allow. The message names the role that may do it."""


class NotFound(TaggerError):
    """There is no such shop, version, run or customer."""


class StoreUnavailable(TaggerError):
    """Redis did not answer in time, or not at all: nothing may be acknowledged."""


class StoreFull(StoreUnavailable):
    """Redis uses so much of its memory that the rest is kept for settling, pausing and removing."""


class OverQuota(StoreUnavailable):
    """The shop has as many waiting customers, or as many deliveries of one day, as a shop may have. `what` says which."""

    def __init__(self, what: str) -> None:
        super().__init__(Sentence("the shop is over its quota of {what}", what=what))
        self.what = what


class Overloaded(TaggerError):
    """Too many evaluations are running, or the process of one died. The same call can be made again."""


class EvaluationDied(Overloaded):
    """The process of this evaluation died. If it dies each time, one customer may be the cause."""


class HaravanError(TaggerError):
    """An API call failed. `status` is the HTTP status, None without a response.

    The message is in our own words, with the names of the fields that Haravan complains about. `response_text` is
    Haravan's own text, masked and cut. It may still name a person, so it goes into a dead letter and nowhere else.
    """

    def __init__(
        self, message: str | Sentence, *, status: int | None = None, response_text: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.response_text = response_text


class RateLimited(HaravanError):
    """429: no call of this shop may be made for `retry_after_s` seconds."""

    def __init__(self, message: str | Sentence, *, retry_after_s: float) -> None:
        super().__init__(message, status=429)
        self.retry_after_s = retry_after_s


class TokenRejected(HaravanError):
    """401, or 403 of a call for the whole shop. `scope` is the scope that is likely missing; "" = the token itself."""

    def __init__(
        self,
        message: str | Sentence,
        *,
        status: int | None = None,
        response_text: str = "",
        scope: str = "",
    ) -> None:
        super().__init__(message, status=status, response_text=response_text)
        self.scope = scope


class CustomerNotFound(HaravanError):
    """404: no such customer. A later call confirms it."""


class RequestRejected(HaravanError):
    """422 and other 4xx: this request fails however often it is sent."""


class AccessDenied(RequestRejected):
    """403 of a call for one customer. `scope` is the scope that is missing if it is the shop's fault."""

    def __init__(
        self,
        message: str | Sentence,
        *,
        status: int | None = None,
        response_text: str = "",
        scope: str = "",
    ) -> None:
        super().__init__(message, status=status, response_text=response_text)
        self.scope = scope


class ApiUnavailable(HaravanError):
    """Timeout, network error, 5xx, or a response that breaks the API's contract."""


class ResponseTooLarge(ApiUnavailable):
    """The response has more bytes than we read. A request for fewer customers may fit."""
