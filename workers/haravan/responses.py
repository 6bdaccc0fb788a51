"""The only place that looks at a status: an answer becomes a value, or one of the errors of service/errors.py.

| status | becomes |
|---|---|
| 2xx with what the API promises | the value |
| 2xx with anything else, 3xx, 408, 5xx | Unavailable |
| 401, 403 | Unauthorised |
| 404 of a path that names a customer | Gone |
| 404 of any other path | Unavailable: the address is wrong, no customer is gone |
| 429 | Throttled |
| every other 4xx | Rejected |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from service.errors import Gone, HaravanError, Rejected, Throttled, Unauthorised, Unavailable
from workers.haravan.allowance import retry_after
from workers.haravan.complaint import complaint
from workers.haravan.requests import Call, Request, Response

T = TypeVar("T")


def ask(request: Request, read: Callable[[bytes], T]) -> Call[T]:
    """A call of one request whose body `read` understands."""
    response = yield request
    return understood(request, response, read)


def understood(request: Request, response: Response, read: Callable[[bytes], T]) -> T:
    """The value of an answer. Raises HaravanError, and whatever `read` raises on purpose (Unreadable)."""
    if not 200 <= response.status < 300:
        raise sorted_failure(request, response)
    try:
        return read(response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise Unavailable(
            f"{request.endpoint} answered {response.status} with a body that is not what the API promises",
            status=response.status,
        ) from exc


def sorted_failure(request: Request, response: Response) -> HaravanError:
    """The error that a status other than 2xx stands for."""
    status = response.status
    said = complaint(request, response)
    text = f"{request.endpoint} answered {status}" + (f": {said}" if said else "")
    if status == 429:
        return Throttled(text, retry_after_s=retry_after(response.headers))
    if status in (401, 403):
        return Unauthorised(text, status=status)
    if status == 404:
        return _not_found(request, text)
    if status < 400:
        return Unavailable(f"{text}: a redirection is never followed; check the API address", status=status)
    if status == 408 or status >= 500:
        return Unavailable(text, status=status)
    return Rejected(text, status=status)


def _not_found(request: Request, text: str) -> HaravanError:
    if request.customer is not None:
        return Gone(text, status=404)
    return Unavailable(f"{text}: there is no such endpoint at this address", status=404)
