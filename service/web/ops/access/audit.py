"""The audit log: who changed what, of a shop and of the service."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import ActorKind, Role
from service.domain.customers import MAX_ID, OrgId
from service.store.client import SERVICE
from service.store.history import AuditFilter, audit_log
from service.web.ops.activity import ShortText, SpanQuery
from service.web.ops.contract import (
    SHOP_PATH,
    Endpoint,
    PageModel,
    Request,
    RequestModel,
    ResponseModel,
    decode_cursor,
    encode_cursor,
    to_ms,
)

EntryNumber = Annotated[int, Meta(ge=1, le=MAX_ID)]
Author = Annotated[str, Meta(min_length=1, max_length=200, description="`by` of an entry")]


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


class AuditQuery(SpanQuery, frozen=True, kw_only=True):
    """A page of the entries of an author, of an action, and of a span of time."""

    by: Author | UnsetType = UNSET
    action: ShortText | UnsetType = UNSET

    def to_filter(self) -> AuditFilter:
        """The filter of the store."""
        return AuditFilter(
            by="" if self.by is UNSET else self.by,
            action="" if self.action is UNSET else self.action,
            since_ms=to_ms(self.since) or 0,
            until_ms=to_ms(self.until),
        )


class ServiceAuditQuery(AuditQuery, frozen=True, kw_only=True):
    """A page of the entries of an author, of an action, of a span of time, and of a shop that was added or removed."""

    shop: Annotated[str, Meta(pattern="^[0-9]{1,19}$", description="Its org id")] | UnsetType = UNSET

    def to_filter(self) -> AuditFilter:
        """The filter of the store."""
        return replace(AuditQuery.to_filter(self), shop="" if self.shop is UNSET else self.shop)


class VerifyQuery(RequestModel, frozen=True):
    """A hash that was noted earlier, which the log must still contain."""

    expect: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""


class VerificationModel(ResponseModel, frozen=True):
    """The result of a check. `trimmed` older entries were removed after 400 days. `problem` null: the log is whole."""

    entries: int
    trimmed: int
    last_hash: str
    problem: str | None


class AuditLog(PageModel, frozen=True):
    """Newest first."""

    entries: list[AuditEntryModel]


async def list_audit_log(context: Context, request: Request) -> AuditLog:
    """What people changed at the shop, newest first."""
    await context.shops.get_or_raise(request.org)
    return await _page(context, request.org, request.model)


async def list_service_audit_log(context: Context, request: Request) -> AuditLog:
    """What people changed beyond single shops, newest first: tokens, and shops that were added or removed."""
    return await _page(context, SERVICE, request.model)


async def verify_audit_log(context: Context, request: Request) -> VerificationModel:
    """Check that no entry of the shop's log was changed, removed or inserted.

    Note `last_hash` outside of Redis. Somebody who can write to Redis can compute a whole new log, but not one that contains
    a hash that you have noted: send that one as `expect`.
    """
    await context.shops.get_or_raise(request.org)
    return await _verify(context, request.org, request.model)


async def verify_service_audit_log(context: Context, request: Request) -> VerificationModel:
    """Check that no entry of the service's log was changed, removed or inserted."""
    return await _verify(context, SERVICE, request.model)


async def _verify(context: Context, org: OrgId, query: VerifyQuery) -> VerificationModel:
    result = await audit_log.verify(context.redis, org, expected_hash=query.expect)
    problem = None if result.problem is None else str(result.problem)
    return VerificationModel(result.entries, result.trimmed, result.last_hash, problem)


async def _page(context: Context, org: OrgId, query: AuditQuery) -> AuditLog:
    before = decode_cursor(query, EntryNumber)
    rows = await audit_log.list_entries(
        context.redis, org, limit=query.limit + 1, before=before, wanted=query.to_filter()
    )
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
    return AuditLog(entries, next=encode_cursor(entries[-1].number) if len(rows) > query.limit else None)


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
VERIFICATION_EXAMPLE: Final[dict[str, Any]] = {
    "entries": 17,
    "trimmed": 0,
    "last_hash": ENTRY_EXAMPLE["hash"],
    "problem": None,
}
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        f"{SHOP_PATH}/audit",
        list_audit_log,
        AuditLog,
        {"entries": [ENTRY_EXAMPLE], "next": "MTc"},
        AuditQuery,
        role=Role.VIEWER,
    ),
    Endpoint(
        "GET",
        f"{SHOP_PATH}/audit/verify",
        verify_audit_log,
        VerificationModel,
        VERIFICATION_EXAMPLE,
        VerifyQuery,
        role=Role.VIEWER,
    ),
    Endpoint(
        "GET",
        "/ops/v1/audit/verify",
        verify_service_audit_log,
        VerificationModel,
        VERIFICATION_EXAMPLE,
        VerifyQuery,
        role=Role.OWNER,
        every_shop=True,
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
            "next": None,
        },
        ServiceAuditQuery,
        role=Role.OWNER,
        every_shop=True,
    ),
)
