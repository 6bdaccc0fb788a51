"""The scheduled publish of a shop: set, show, move, publish now, cancel."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from service.context import Context
from service.domain.access import Role
from service.locales import translator_for
from service.publishing import create_draft, scheduled
from service.store.scheduled import ScheduledPublish
from service.web.ops.contract import (
    RULES_PATH,
    Endpoint,
    Language,
    Moment,
    Request,
    RequestModel,
    ResponseModel,
    over_version,
    to_ms,
)
from service.web.ops.rules.publish import (
    BAD_RULES_EXAMPLE,
    NEEDS_APPROVAL_EXAMPLE,
    PUBLISHED_EXAMPLE,
    Approve,
    Document,
    Note,
    PreviewResponse,
    PublishResponse,
    parse_document,
    to_preview,
    to_published,
)
from service.web.ops.rules.versions import RULES_TEXT_EXAMPLE


class ScheduleRequest(RequestModel, frozen=True):
    """Rules that go live at `at`. With `replace` they take the place of rules that are scheduled already."""

    rules: Document
    at: Moment
    note: Note = ""
    approve: Approve = False
    replace: bool = False


class MoveRequest(RequestModel, frozen=True):
    """The new time."""

    at: Moment


class PublishScheduledRequest(RequestModel, frozen=True):
    """`dry_run` only previews it."""

    approve: Approve = False
    dry_run: bool = False
    lang: Language = "vi"


class StopModel(ResponseModel, frozen=True):
    """Why it did not go live when it was due. `live`: the live version of that moment."""

    reason: Literal["conflict", "guard", "refused"]
    at_ms: int
    live: int
    touched: int
    removed: int
    text: str


class ScheduledModel(ResponseModel, frozen=True):
    """Rules that go live at `at_ms`, over the version `parent`. `stop` null: they wait for their time."""

    content: str
    at_ms: int
    parent: int
    by: str
    note: str
    scheduled_ms: int
    preview: dict[str, Any]
    is_approved: bool
    stop: StopModel | None


class ScheduledResponse(ResponseModel, frozen=True):
    """The scheduled publish of the shop; null if there is none."""

    scheduled: ScheduledModel | None


class PublishScheduledResponse(ResponseModel, frozen=True):
    """With `dry_run` the preview, otherwise the new version and its run."""

    preview: Annotated[PreviewResponse | None, Meta(description="Over the version that is live now")]
    published: PublishResponse | None


async def show_scheduled(context: Context, request: Request) -> ScheduledResponse:
    """The scheduled publish of the shop, also one that was stopped."""
    await context.shops.get_or_raise(request.org)
    entry = await scheduled.find(context, request.org)
    return ScheduledResponse(None if entry is None else _to_model(entry))


async def schedule_rules(context: Context, request: Request) -> ScheduledResponse:
    """Publish these rules at a set time.

    They are previewed now, and again when they are due. A version that was published meanwhile, or the guard, stops
    them then: an alert is sent, and they wait for a person.
    """
    body: ScheduleRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    draft = await create_draft(context, shop, parse_document(body.rules))
    with over_version(request, draft.parent):
        entry = await scheduled.schedule_publish(
            context,
            shop,
            draft,
            at_ms=to_ms(body.at) or 0,
            by=request.by,
            note=body.note,
            approved=body.approve,
            replace=body.replace,
        )
    return ScheduledResponse(_to_model(entry))


async def reschedule_rules(context: Context, request: Request) -> ScheduledResponse:
    """Set another time for the scheduled publish."""
    body: MoveRequest = request.model
    await context.shops.get_or_raise(request.org)
    entry = await scheduled.reschedule_publish(context, request.org, at_ms=to_ms(body.at) or 0, by=request.by)
    return ScheduledResponse(_to_model(entry))


async def publish_scheduled_rules(context: Context, request: Request) -> PublishScheduledResponse:
    """Publish the scheduled rules now: before their time, or after they were stopped. They replace what is live."""
    body: PublishScheduledRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    entry = await scheduled.load_scheduled(context, shop.org)
    draft = await scheduled.draft_scheduled(context, shop, entry)
    if body.dry_run:
        return PublishScheduledResponse(to_preview(draft, translator_for(body.lang)), None)
    with over_version(request, draft.parent):
        published = await scheduled.publish_scheduled(
            context, shop, entry, draft, by=request.by, approved=body.approve
        )
    return PublishScheduledResponse(None, to_published(published.version, published.run, shop))


async def unschedule_rules(context: Context, request: Request) -> ScheduledResponse:
    """Cancel the scheduled publish. The answer is what it was."""
    await context.shops.get_or_raise(request.org)
    return ScheduledResponse(_to_model(await scheduled.cancel_scheduled(context, request.org, by=request.by)))


def _to_model(entry: ScheduledPublish) -> ScheduledModel:
    fields: dict[str, Any] = msgspec.to_builtins(entry)
    return msgspec.convert(fields | {"by": entry.by.name}, ScheduledModel)


SCHEDULED_EXAMPLE: Final[dict[str, Any]] = {
    "scheduled": {
        "content": "0b6f2c1d" * 8,
        "at_ms": 1800838800000,
        "parent": 41,
        "by": "lan",
        "note": "Ngưỡng VIP mới từ mùng 1",
        "scheduled_ms": 1795150801000,
        "preview": {
            "customers": 100000,
            "touched": 4012,
            "added": 4012,
            "removed": 0,
            "calls": 4093,
            "seconds": 1023,
        },
        "is_approved": False,
        "stop": None,
    }
}
SCHEDULED_PATH: Final = f"{RULES_PATH}/scheduled"
ENDPOINTS: Final = (
    Endpoint("GET", SCHEDULED_PATH, show_scheduled, ScheduledResponse, SCHEDULED_EXAMPLE, role=Role.VIEWER),
    Endpoint(
        "POST",
        SCHEDULED_PATH,
        schedule_rules,
        ScheduledResponse,
        SCHEDULED_EXAMPLE,
        ScheduleRequest,
        {
            "midnight": {
                "rules": RULES_TEXT_EXAMPLE,
                "at": "2027-01-25T00:00:00+07:00",
                "note": "Ngưỡng VIP mới từ mùng 1",
            }
        },
        {400: BAD_RULES_EXAMPLE, 409: NEEDS_APPROVAL_EXAMPLE},
        cpu_bound=True,
        if_match="optional",
        role=Role.MARKETER,
    ),
    Endpoint(
        "POST",
        f"{SCHEDULED_PATH}/move",
        reschedule_rules,
        ScheduledResponse,
        SCHEDULED_EXAMPLE,
        MoveRequest,
        {"an hour later": {"at": "2027-01-25T01:00:00+07:00"}},
        role=Role.MARKETER,
    ),
    Endpoint(
        "POST",
        f"{SCHEDULED_PATH}/publish",
        publish_scheduled_rules,
        PublishScheduledResponse,
        {"preview": None, "published": PUBLISHED_EXAMPLE},
        PublishScheduledRequest,
        {"look first": {"dry_run": True}, "after the guard stopped it": {"approve": True}},
        {409: NEEDS_APPROVAL_EXAMPLE},
        cpu_bound=True,
        if_match="optional",
        role=Role.MARKETER,
    ),
    Endpoint(
        "DELETE",
        SCHEDULED_PATH,
        unschedule_rules,
        ScheduledResponse,
        SCHEDULED_EXAMPLE,
        role=Role.MARKETER,
    ),
)
