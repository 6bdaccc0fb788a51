"""The audit log: who changed what, of a shop and of the service."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import ActorKind, Role
from service.domain.customers import MAX_ID, OrgId
from service.store.client import SERVICE
from service.store.history import audit_log
from service.web.ops.requests import SHOP_PATH, Endpoint, Limit, Request, RequestModel, ResponseModel


class AuditQuery(RequestModel, frozen=True):
    """A page of entries. `before` of a page gets the next, older page."""

    before: Annotated[int, Meta(ge=1, le=MAX_ID)] | UnsetType = UNSET
    limit: Limit = 100


class AuditEntryModel(ResponseModel, frozen=True):
    """One change by somebody. `kind` says what `by` is: a token, a token of OPS_TOKENS, or a user of the command line.

    `hash` is the SHA-256 of the previous hash, a line feed and the stored entry: `tagger audit verify` checks the chain.
    """

    number: int
    at_ms: int
    by: str
    kind: ActorKind
    role: Role
    action: str
    summary: str
    hash: str


class AuditLog(ResponseModel, frozen=True):
    """Newest first; `before` is null on the last page."""

    entries: list[AuditEntryModel]
    before: int | None


async def list_audit_log(context: Context, request: Request) -> AuditLog:
    """What people changed at the shop, newest first."""
    await context.shops.get_or_raise(request.org)
    return await _page(context, request.org, request.model)


async def list_service_audit_log(context: Context, request: Request) -> AuditLog:
    """What people changed beyond single shops, newest first: tokens, and shops that were added or removed."""
    return await _page(context, SERVICE, request.model)


async def _page(context: Context, org: OrgId, query: AuditQuery) -> AuditLog:
    before = None if query.before is UNSET else query.before
    rows = await audit_log.list_entries(context.redis, org, limit=query.limit + 1, before=before)
    entries = [
        AuditEntryModel(
            number=row.entry.number,
            at_ms=row.entry.at_ms,
            by=row.entry.by,
            kind=row.entry.kind,
            role=row.entry.role,
            action=row.entry.action,
            summary=row.entry.summary,
            hash=row.hash,
        )
        for row in rows[: query.limit]
    ]
    return AuditLog(entries, entries[-1].number if len(rows) > query.limit else None)


ENTRY_EXAMPLE: Final[dict[str, Any]] = {
    "number": 17,
    "at_ms": 1795150800000,
    "by": "an",
    "kind": "token",
    "role": "ops",
    "action": "publish",
    "summary": "version 42: touches 4012 of 100000 customers, adds 4012 tags, removes 0",
    "hash": "5f2c1d7be6f3f6b0a4b8d93c3a9e7d1f0c6b5a49382716f5e4d3c2b1a0998877",
}
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        f"{SHOP_PATH}/audit",
        list_audit_log,
        AuditLog,
        {"entries": [ENTRY_EXAMPLE], "before": 17},
        AuditQuery,
        role=Role.VIEWER,
    ),
    Endpoint(
        "GET",
        "/ops/v1/audit",
        list_service_audit_log,
        AuditLog,
        {
            "entries": [
                ENTRY_EXAMPLE
                | {
                    "role": "owner",
                    "action": "add_token",
                    "summary": "token bao-cao: role viewer, every shop",
                }
            ],
            "before": None,
        },
        AuditQuery,
        role=Role.OWNER,
        every_shop=True,
    ),
)
