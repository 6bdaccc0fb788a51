"""The draft of a shop's rules, which people edit together in the pages: show, replace, discard."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from service.context import Context
from service.domain.access import Role
from service.domain.documents import canonical_json
from service.publishing import editor
from service.store.working_copies import WorkingCopy
from service.web.ops.contract import (
    RULES_PATH,
    Endpoint,
    Request,
    RequestModel,
    ResponseModel,
    check_draft,
    draft_etag,
)
from service.web.ops.rules.publish import Document, parse_document
from service.web.ops.rules.versions import RULES_EXAMPLE


class DraftRequest(RequestModel, frozen=True):
    """The rules that replace the draft. They must be valid; what people save rule by rule may have errors."""

    rules: Document


class DraftResponse(ResponseModel, frozen=True):
    """The draft as it was saved last, valid or not. `revision` 0: nobody has changed anything since version `parent`."""

    revision: int
    parent: int
    by: str
    at_ms: int
    rules: dict[str, Any]
    etag: str


async def show_draft(context: Context, request: Request) -> DraftResponse:
    """The draft, or the live rules if there is none. Its ETag is for `If-Match`."""
    shop = await context.shops.get_or_raise(request.org)
    return _to_model(await editor.open_copy(context, shop))


async def replace_draft(context: Context, request: Request) -> DraftResponse:
    """Replace the whole draft. Nothing goes live. Refused with 412 if somebody has saved since the ETag of `If-Match`."""
    body: DraftRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    document = msgspec.json.decode(canonical_json(parse_document(body.rules)))
    return _to_model(
        await editor.replace_document(
            context, shop, document, by=request.by, check=lambda copy: check_draft(request, copy)
        )
    )


async def discard_draft(context: Context, request: Request) -> DraftResponse:
    """Discard the draft. The answer is what remains: the live rules."""
    shop = await context.shops.get_or_raise(request.org)
    await editor.discard(context, shop, by=request.by, check=lambda copy: check_draft(request, copy))
    return _to_model(await editor.open_copy(context, shop))


def _to_model(copy: WorkingCopy) -> DraftResponse:
    return DraftResponse(copy.rev, copy.parent, copy.by, copy.at_ms, copy.document, draft_etag(copy))


DRAFT_EXAMPLE: Final[dict[str, Any]] = {
    "revision": 3,
    "parent": 41,
    "by": "lan",
    "at_ms": 1795150800000,
    "rules": RULES_EXAMPLE,
    "etag": '"d3.41.1795150800000"',
}
PATH: Final = f"{RULES_PATH}/draft"


def _etag(answer: DraftResponse) -> str:
    return answer.etag


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        PATH,
        show_draft,
        DraftResponse,
        DRAFT_EXAMPLE,
        cpu_bound=True,
        etag=_etag,
        role=Role.VIEWER,
    ),
    Endpoint(
        "PUT",
        PATH,
        replace_draft,
        DraftResponse,
        DRAFT_EXAMPLE | {"revision": 4},
        DraftRequest,
        {"an object": {"rules": RULES_EXAMPLE}},
        cpu_bound=True,
        etag=_etag,
        if_match="required",
        role=Role.MARKETER,
    ),
    Endpoint(
        "DELETE",
        PATH,
        discard_draft,
        DraftResponse,
        DRAFT_EXAMPLE | {"revision": 0, "by": "", "at_ms": 0, "etag": '"d0.41.0"'},
        cpu_bound=True,
        etag=_etag,
        if_match="optional",
        role=Role.MARKETER,
    ),
)
