"""Rules: preview, publish, roll back. These endpoints are CPU work and run in the pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from service.context import Context
from service.domain.access import Role
from service.domain.customers import MAX_ID
from service.domain.documents import parse_rules, validate_rules
from service.domain.explain import Translator
from service.domain.preview import Preview, WriteCost
from service.domain.rules import RuleSet
from service.locales import translator_for
from service.publishing import (
    Draft,
    create_draft,
    create_rollback_draft,
    draft_to_dict,
    find_same_rollback,
    find_same_rules,
    publish_draft,
    roll_back,
    rollout,
)
from service.store.jobs import Run
from service.store.rules import Version, rollback_note
from service.store.shops import Shop
from service.web.ops.activity import RUN_EXAMPLE, RunModel, to_run_model
from service.web.ops.contract import (
    RULES_PATH,
    Endpoint,
    Language,
    Request,
    RequestModel,
    ResponseModel,
    over_version,
    to_model,
    version_etag,
)
from service.web.ops.rules.versions import RULES_EXAMPLE, RULES_TEXT_EXAMPLE, VERSION_EXAMPLE, VersionModel
from service.web.problems import problem_details

Note = Annotated[str, Meta(max_length=200, description="Why: shown in the history")]
Approve = Annotated[bool, Meta(description="Publish although it touches or removes much")]
FirstLook = Annotated[
    Literal["pending", "waiting", "complete"],
    Meta(
        description="`pending`: a publish writes nothing to customers without a webhook. `waiting`: it ends the first look"
    ),
]
Shadow = Annotated[bool, Meta(description="The shop is in shadow mode: nothing is written")]
Document = Annotated[
    str | dict[str, Any],
    Meta(description="A rules document: its text (YAML or JSON, errors have lines), or the object itself"),
]


class PreviewRequest(RequestModel, frozen=True):
    """Rules that may be published."""

    rules: Document
    lang: Language = "vi"


class PublishRequest(RequestModel, frozen=True):
    """Rules to publish."""

    rules: Document
    note: Note = ""
    approve: Approve = False


class RollbackRequest(RequestModel, frozen=True):
    """The version to go back to. `dry_run` only previews it."""

    to: Annotated[int, Meta(ge=0, le=MAX_ID, description="0: no rules, as before the first version")]
    note: Note = ""
    approve: Approve = False
    dry_run: bool = False
    lang: Language = "vi"


class GuardModel(ResponseModel, frozen=True):
    """Whether a person must approve it: it touches more than `max_customers`, or removes more than `max_removed` tags."""

    needs_approval: bool
    why: list[Literal["share", "removals"]]
    max_customers: int
    max_removed: int


class PreviewResponse(Preview, ResponseModel, frozen=True, kw_only=True):
    """What publishing would change after version `parent`: tags, tier moves, API calls, warnings. Samples are ids."""

    parent: int
    effort: WriteCost
    guard: GuardModel
    unscanned: Annotated[
        int | None, Meta(description="Customers of the shop that were never evaluated; null: unknown")
    ]
    changes: list[str]
    warnings: list[str]
    shadow: Shadow
    first_look: FirstLook
    frozen_until: Annotated[
        str | None, Meta(description="The last day of a freeze: nothing is written before it is over")
    ]


class PublishResponse(ResponseModel, frozen=True):
    """The live version, and the run of its rollout; null if it is not stored any more, or if the first look makes it."""

    version: VersionModel
    run: RunModel | None
    shadow: Shadow


class RollbackResponse(ResponseModel, frozen=True):
    """With `dry_run` the preview, otherwise the new version and its run."""

    preview: PreviewResponse | None
    published: PublishResponse | None


async def preview_rules(context: Context, request: Request) -> PreviewResponse:
    """Preview what publishing these rules would change for all known customers."""
    body: PreviewRequest = request.model
    rule_set = parse_document(body.rules)
    shop = await context.shops.get_or_raise(request.org)
    return to_preview(await create_draft(context, shop, rule_set), translator_for(body.lang))


async def publish_rules(context: Context, request: Request) -> PublishResponse:
    """Make these rules live. A worker then marks the customers whose tags change.

    A publish that exceeds the guard (5 % of the customers touched, or 2,000 tags removed) is refused with 409 and
    `approval` unless `approve` is set, which needs the role ops; the audit log records it. `runs/{run}` has the
    progress. If the same rules are live already, nothing is published, and the answer is that version. `If-Match` names
    the version that they are based on: if another one is live, they are refused with 412.
    """
    body: PublishRequest = request.model
    rule_set = parse_document(body.rules)
    shop = await context.shops.get_or_raise(request.org)
    live = await find_same_rules(context, shop, rule_set)
    if live is not None:
        return to_published(live, await rollout.find_run(context.redis, shop.org, live), shop)
    draft = await create_draft(context, shop, rule_set)
    with over_version(request, draft.parent):
        published = await publish_draft(
            context, shop, draft, by=request.by, note=body.note, approved=body.approve
        )
    return to_published(published.version, published.run, shop)


async def roll_back_rules(context: Context, request: Request) -> RollbackResponse:
    """Publish an earlier version again: revoke the tags that later versions gave, restore those that they removed.

    The latest version can be undone without approval for a day. Any other roll-back obeys the guard like a publish.
    """
    body: RollbackRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    draft = await create_rollback_draft(context, shop, to=body.to)
    if body.dry_run:
        return RollbackResponse(to_preview(draft, translator_for(body.lang)), None)
    live = await find_same_rollback(
        context, shop, draft, by=request.by.name, note=body.note or str(rollback_note(body.to))
    )
    if live is not None:
        run = await rollout.find_run(context.redis, shop.org, live)
        return RollbackResponse(None, to_published(live, run, shop))
    with over_version(request, draft.parent):
        published = await roll_back(
            context, shop, draft, to=body.to, by=request.by, note=body.note, approved=body.approve
        )
    return RollbackResponse(None, to_published(published.version, published.run, shop))


def to_preview(draft: Draft, words: Translator) -> PreviewResponse:
    """The preview of a draft as the API shows it."""
    limits = draft.report.guard
    guard = {
        "needs_approval": limits.needs_approval,
        "why": limits.why,
        "max_customers": limits.most_customers,
        "max_removed": limits.most_removed,
    }
    return msgspec.convert(draft_to_dict(draft, words=words) | {"guard": guard}, PreviewResponse)


def parse_document(document: str | Mapping[str, Any]) -> RuleSet:
    """The rules of a request. Raises InvalidRules with every error."""
    return parse_rules(document) if isinstance(document, str) else validate_rules(document)


def to_published(version: Version, run: Run | None, shop: Shop) -> PublishResponse:
    """A published version as the API shows it."""
    model = None if run is None else to_run_model(run)
    return PublishResponse(to_model(version, VersionModel), model, shop.shadow)


PREVIEW_EXAMPLE: Final[dict[str, Any]] = {
    "customers": 100000,
    "touched": 4012,
    "adding": 4012,
    "removing": 0,
    "added": 4012,
    "removed": 0,
    "tags": [
        {
            "tag": "VIP",
            "rules": ["vip"],
            "added": 4012,
            "removed": 0,
            "unchanged": 18809,
            "kept": 0,
            "downgrade": 0,
            "not_ours": 312,
            "left": 0,
            "excluded": 0,
            "undecided": 0,
            "stopped": 0,
            "samples": {"added": [1037889951, 1037890001]},
        }
    ],
    "tiers": [],
    "matched": {"vip": 22821},
    "undecided": {},
    "parent": 41,
    "effort": {"calls": 4093, "seconds": 1023},
    "guard": {"needs_approval": False, "why": [], "max_customers": 5000, "max_removed": 2000},
    "unscanned": 0,
    "changes": ["~ Khách VIP (đã sửa)"],
    "warnings": [],
    "shadow": False,
    "first_look": "complete",
    "frozen_until": None,
}
PUBLISHED_EXAMPLE: Final[dict[str, Any]] = {"version": VERSION_EXAMPLE, "run": RUN_EXAMPLE, "shadow": False}
BAD_RULES_EXAMPLE: Final[dict[str, Any]] = {
    **problem_details("invalid-rules", ""),
    "detail": "line 3, column 26: rule 1 “Khách VIP”: unknown field 'total_spend'; did you mean 'total_spent'?",
    "problems": [
        {
            "line": 3,
            "column": 26,
            "path": "rules.0.when",
            "kind": "unknown_field",
            "rule": "Khách VIP",
            "message": "unknown field 'total_spend'; did you mean 'total_spent'?",
            "messages": {
                "vi": "không có trường 'total_spend'; có phải ý bạn là 'total_spent'?",
                "en": "unknown field 'total_spend'; did you mean 'total_spent'?",
            },
            "part": "field",
        }
    ],
}
NEEDS_APPROVAL_EXAMPLE: Final[dict[str, Any]] = {
    **problem_details("needs-approval", ""),
    "detail": "this needs an approval: it touches 9870 of 100000 customers (more than 5000); look at the preview first",
    "approval": {
        "why": ["share"],
        "customers": 100000,
        "touched": 9870,
        "max_customers": 5000,
        "removed": 1798,
        "max_removed": 2000,
    },
}

ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{RULES_PATH}/preview",
        preview_rules,
        PreviewResponse,
        PREVIEW_EXAMPLE,
        PreviewRequest,
        {
            "as text": {"rules": RULES_TEXT_EXAMPLE, "lang": "vi"},
            "as an object": {"rules": RULES_EXAMPLE},
        },
        {400: BAD_RULES_EXAMPLE},
        cpu_bound=True,
        is_read_only=True,
        role=Role.MARKETER,
    ),
    Endpoint(
        "POST",
        f"{RULES_PATH}/publish",
        publish_rules,
        PublishResponse,
        PUBLISHED_EXAMPLE,
        PublishRequest,
        {
            "small": {"rules": RULES_TEXT_EXAMPLE, "note": "Hạ ngưỡng VIP cho Tết 2027"},
            "approved": {"rules": RULES_EXAMPLE, "note": "Hạ ngưỡng VIP", "approve": True},
        },
        {400: BAD_RULES_EXAMPLE, 409: NEEDS_APPROVAL_EXAMPLE},
        cpu_bound=True,
        etag=lambda answer: version_etag(answer.version.number),
        if_match="required",
        role=Role.MARKETER,
    ),
    Endpoint(
        "POST",
        f"{RULES_PATH}/rollback",
        roll_back_rules,
        RollbackResponse,
        {"preview": None, "published": PUBLISHED_EXAMPLE},
        RollbackRequest,
        {"look first": {"to": 41, "dry_run": True}, "do it": {"to": 41, "note": "nhầm ngưỡng"}},
        {409: NEEDS_APPROVAL_EXAMPLE},
        cpu_bound=True,
        if_match="optional",
        role=Role.MARKETER,
    ),
)
