"""Every type of problem that this service answers with, and the page that explains them.

A program compares `type`. It is an address of the service itself, so it is the same for every host, and it stays: a type
may be added, but none is renamed, and none gets another status. `title` and `detail` are for people and may change.
"""

from __future__ import annotations

from html import escape
from typing import Final, Literal, NamedTuple

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

PROBLEMS_PATH: Final = "/ops/problems"
ProblemKind = Literal[
    "invalid-query",
    "invalid-cursor",
    "invalid-header",
    "invalid-body",
    "invalid-rules",
    "invalid-customer-id",
    "malformed-data",
    "unauthorized",
    "forbidden",
    "not-found",
    "no-such-path",
    "method-not-allowed",
    "refused",
    "needs-approval",
    "not-configured",
    "request-in-progress",
    "version-changed",
    "body-too-large",
    "unsupported-media-type",
    "idempotency-key-reused",
    "token-refused",
    "precondition-required",
    "too-many-failures",
    "internal-error",
    "store-unavailable",
    "overloaded",
    "token-unchecked",
    "incomplete-body",
    "timeout",
]


class ProblemType(NamedTuple):
    """`advice` is what a client does about it."""

    status: int
    title: str
    meaning: str
    advice: str


PROBLEM_TYPES: Final[dict[ProblemKind, ProblemType]] = {
    "invalid-query": ProblemType(
        400,
        "The query is wrong",
        "A parameter of the address is unknown, is given twice, or has a value that it cannot have.",
        "Correct the parameter that `detail` names. Write the + of an offset as %2B.",
    ),
    "invalid-cursor": ProblemType(
        400,
        "The cursor is wrong",
        "`cursor` is not the `next` of an earlier page of this list.",
        "Begin again without `cursor`.",
    ),
    "invalid-header": ProblemType(
        400,
        "A header is wrong",
        "`Idempotency-Key` or `If-Match` cannot be parsed.",
        "Send a key of 1 to 255 visible ASCII characters, and the ETag as it was received, with its quotes.",
    ),
    "invalid-body": ProblemType(
        400,
        "The body is wrong",
        "The body is no JSON, or a field is unknown, missing, or has a value that it cannot have.",
        "Correct the field that `detail` names.",
    ),
    "invalid-rules": ProblemType(
        400,
        "The rules have errors",
        "The rules document cannot be read. `problems` has every error with its place and its message in every language.",
        "Correct the rules. Nothing was published.",
    ),
    "invalid-customer-id": ProblemType(
        400,
        "The id of a customer is wrong",
        "The path has a number that is no customer's id: ids are positive and have 64 bits.",
        "Send the id that Haravan uses.",
    ),
    "malformed-data": ProblemType(
        400,
        "The data cannot be read",
        "Stored or sent data cannot be decoded, for example because its key is missing from SECRET_KEY.",
        "Read `detail`, and ask the doctor: `GET /ops/v1/doctor`.",
    ),
    "unauthorized": ProblemType(
        401,
        "The token is missing or not valid",
        "There is no `Authorization: Bearer TOKEN`, or the token is unknown, revoked or expired.",
        "Ask an owner for another token.",
    ),
    "forbidden": ProblemType(
        403,
        "The role is too low",
        "The role of the token may not do this, or the token is for some shops and this is about every shop.",
        "Use a token with the role that `detail` names.",
    ),
    "not-found": ProblemType(
        404,
        "It does not exist",
        "What the path or the body names does not exist, or belongs to a shop that the token is not for.",
        "Check the ids. A run is kept for 90 days.",
    ),
    "no-such-path": ProblemType(
        404, "There is no such path", "The address has no operation.", "See `/ops/openapi.json`."
    ),
    "method-not-allowed": ProblemType(
        405,
        "The path does not support this method",
        "The path exists, and the method does not.",
        "See `/ops/openapi.json`.",
    ),
    "refused": ProblemType(
        409,
        "The request is refused",
        "The request is well formed, and the present state does not allow it. Nothing was changed.",
        "`detail` says what stands in the way, and what to do first.",
    ),
    "needs-approval": ProblemType(
        409,
        "A person must approve it",
        "It would touch more customers, or remove more tags, than the guard allows. `approval` has the numbers. Nothing was changed.",
        "Look at the preview. Then send it with `approve`, which needs the role ops.",
    ),
    "not-configured": ProblemType(
        409,
        "A setting is missing",
        "The operation needs a setting that the service was started without.",
        "Set what `detail` names, and start the service again.",
    ),
    "request-in-progress": ProblemType(
        409,
        "The same request is still in progress",
        "Another request with this `Idempotency-Key` has not been answered yet.",
        "Wait as `Retry-After` says, and send the same request with the same key.",
    ),
    "version-changed": ProblemType(
        412,
        "Another version is live",
        "`If-Match` names another version of the rules than the live one, or another draft: somebody published or saved meanwhile. `live` and `expected` have both. Nothing was changed.",
        "Read the live rules or the draft again, repeat the change, and send it with the new ETag.",
    ),
    "body-too-large": ProblemType(
        413, "The body is too large", "The body is larger than 1 MiB.", "Send less at once."
    ),
    "unsupported-media-type": ProblemType(
        415,
        "The body is of another type",
        "The body is not declared as JSON.",
        "Send `Content-Type: application/json`.",
    ),
    "idempotency-key-reused": ProblemType(
        422,
        "The key belongs to another request",
        "This token has sent another request with the same `Idempotency-Key` within 24 hours.",
        "Choose a new key for each new request, and the same key only to repeat a request as it was.",
    ),
    "token-refused": ProblemType(
        422,
        "The access token cannot be used",
        "Haravan rejects the access token, or it belongs to another shop, or it lacks a scope. Nothing was stored.",
        "`detail` says which. Install the app in the shop with the scopes that it names, and send the new token.",
    ),
    "precondition-required": ProblemType(
        428,
        "If-Match is required",
        "The request replaces what others may have changed meanwhile, so it must say which version it began from.",
        'Send `If-Match` with the ETag of `GET …/rules`, such as "v41", or of the draft. `*` replaces whatever is there.',
    ),
    "too-many-failures": ProblemType(
        429,
        "Too many wrong tokens",
        "Too many requests with a wrong token came from this address.",
        "Wait as `Retry-After` says, and send a valid token.",
    ),
    "internal-error": ProblemType(
        500,
        "An error of the service",
        "The service has a bug. Its log has the details.",
        "Report it with the time of the request. Whether something was changed is not known: look before you repeat it.",
    ),
    "store-unavailable": ProblemType(
        503,
        "Redis does not answer",
        "Redis does not answer, or refuses.",
        "Ask again, as `Retry-After` says. With an `Idempotency-Key` nothing is done twice.",
    ),
    "overloaded": ProblemType(
        503,
        "Too many evaluations are running",
        "Evaluations of rules are limited, so that webhooks do not wait for them; or the process of one has ended.",
        "Ask again, as `Retry-After` says. After a change look first whether it was made.",
    ),
    "token-unchecked": ProblemType(
        503,
        "The access token could not be checked",
        "No worker runs that could ask Haravan, or Haravan does not answer. Nothing was stored.",
        "Ask again, as `Retry-After` says. Or send it with `unchecked`: the first call with a wrong token pauses the shop.",
    ),
    "incomplete-body": ProblemType(
        503,
        "The connection was closed early",
        "The connection was closed before the body was complete. Nothing was changed.",
        "Send it again.",
    ),
    "timeout": ProblemType(
        504,
        "The answer takes too long",
        "The answer was not ready in time. Nothing was changed.",
        "Ask again later, or for less.",
    ),
}


def type_address(kind: ProblemKind) -> str:
    """The address that identifies the type, relative to the host."""
    return f"{PROBLEMS_PATH}#{kind}"


async def show_problems(_: Request) -> Response:
    """The page to which the addresses lead. It needs no token, because the lack of one is explained there."""
    parts = [
        f'<h2 id="{kind}">{kind}</h2><p><b>{each.status}: {escape(each.title)}.</b> {escape(each.meaning)}</p>'
        f"<p>{escape(each.advice)}</p>"
        for kind, each in PROBLEM_TYPES.items()
    ]
    title = "Problems of the ops API"
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1>{''.join(parts)}</html>"
    )
