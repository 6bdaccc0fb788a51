"""Versions of the rules: shown, listed and compared. These endpoints are CPU work and run in the pool."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import Role
from service.domain.documents import to_yaml
from service.domain.explain import Translator
from service.domain.preview import (
    describe_change,
    describe_changes,
    describe_warning,
    diff_rules,
    summarize_change,
    yaml_diff,
)
from service.domain.rules import RuleSet
from service.errors import NotFound
from service.locales import translator_for
from service.publishing import draft_live_rules
from service.sentence import Sentence
from service.store.shops import Shop
from service.web.ops.contract import (
    RULES_PATH,
    Endpoint,
    Language,
    PageModel,
    PageQuery,
    Request,
    RequestModel,
    ResponseModel,
    VersionNumber,
    cut_page,
    to_model,
    version_etag,
)


class RulesQuery(RequestModel, frozen=True):
    """A version. Default: the live one."""

    version: VersionNumber | UnsetType = UNSET


class DifferenceQuery(RequestModel, frozen=True, rename={"since": "from", "until": "to"}):
    """Two versions. Default: the live one and the one before it."""

    since: VersionNumber | UnsetType = UNSET
    until: VersionNumber | UnsetType = UNSET
    lang: Language = "vi"


class VersionModel(ResponseModel, frozen=True):
    """One version; equal `content` means equal rules. `preview` has the numbers that its author saw."""

    number: int
    content: str
    author: str
    note: str
    at_ms: int
    parent: int
    preview: dict[str, Any] | None


class VersionList(PageModel, frozen=True):
    """Newest first; the first one is live."""

    versions: list[VersionModel]


class RulesResponse(ResponseModel, frozen=True):
    """The rules of a version: as an object, and as YAML."""

    version: VersionModel
    rules: dict[str, Any]
    yaml: str


class DifferenceLine(ResponseModel, frozen=True):
    """One line of a rule's sentences: `sign` is -, + or a space."""

    sign: str
    text: str


class RuleDifference(ResponseModel, frozen=True):
    """The difference of one rule or tier."""

    id: str
    how: Literal["added", "removed", "changed", "moved"]
    title: str
    lines: list[DifferenceLine]


class DifferenceResponse(ResponseModel, frozen=True, rename={"since": "from", "until": "to"}):
    """The differences of two versions: rule by rule in sentences, as text, and as YAML."""

    since: int
    until: int
    text: list[str]
    rules: list[RuleDifference]
    yaml: str
    leftovers: Annotated[
        list[str],
        Meta(description="Tags of ours that stay although no rule gives them; only of the live version"),
    ]


async def show_rules(context: Context, request: Request) -> RulesResponse:
    """The rules of a shop: the live version, or an earlier one."""
    query: RulesQuery = request.model
    shop = await context.shops.get_or_raise(request.org)
    number = await _live_number(context, shop) if query.version is UNSET else query.version
    version = await context.versions.get(shop.org, number)
    rule_set = await context.versions.document(shop.org, number)
    return RulesResponse(
        to_model(version, VersionModel), rule_set.model_dump(by_alias=True), to_yaml(rule_set)
    )


async def list_versions(context: Context, request: Request) -> VersionList:
    """The versions of the rules with author, time, note and preview."""
    shop = await context.shops.get_or_raise(request.org)
    versions = await context.versions.history(shop.org)
    page, following = cut_page(versions, request.model, position=lambda each: -each.number, kind=int)
    return VersionList([to_model(version, VersionModel) for version in page], next=following)


async def compare_versions(context: Context, request: Request) -> DifferenceResponse:
    """Compare two versions, rule by rule in sentences and as YAML."""
    query: DifferenceQuery = request.model
    shop = await context.shops.get_or_raise(request.org)
    until = await _live_number(context, shop) if query.until is UNSET else query.until
    since = until - 1 if query.since is UNSET else query.since
    if since < 1:
        raise NotFound(Sentence("shop {org} has no two versions to compare", org=shop.org))
    before = await context.versions.document(shop.org, since)
    after = await context.versions.document(shop.org, until)
    translator = translator_for(query.lang)
    return DifferenceResponse(
        since=since,
        until=until,
        text=describe_changes(before, after, translator=translator),
        rules=_differences(before, after, translator=translator),
        yaml=yaml_diff(before, after, names=(f"v{since}", f"v{until}")),
        leftovers=await _leftovers(context, shop, until, translator),
    )


async def _live_number(context: Context, shop: Shop) -> int:
    number = await context.versions.live_number(shop.org)
    if not number:
        raise NotFound(Sentence("shop {org} has no rules yet", org=shop.org))
    return number


async def _leftovers(context: Context, shop: Shop, number: int, translator: Translator) -> list[str]:
    if number != await context.versions.live_number(shop.org):
        return []
    draft = await draft_live_rules(context, shop)
    return [
        describe_warning(warning, translator=translator, compiled=draft.compiled)
        for warning in draft.report.warnings
        if warning.kind == "leftover"
    ]


def _differences(before: RuleSet, after: RuleSet, *, translator: Translator) -> list[RuleDifference]:
    return [
        RuleDifference(
            change.id,
            change.kind,
            summarize_change(change, translator=translator),
            [
                DifferenceLine(line.sign, line.text)
                for line in describe_change(change, translator=translator, before=before, after=after)
            ],
        )
        for change in diff_rules(before, after)
    ]


RULES_TEXT_EXAMPLE: Final = """\
version: 1
timezone: Asia/Ho_Chi_Minh
currency: VND
rules:
  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""
RULES_EXAMPLE: Final[dict[str, Any]] = {
    "version": 1,
    "rules": [
        {
            "id": "vip",
            "name": "Khách VIP",
            "tag": "VIP",
            "when": {"field": "total_spent", "op": "at_least", "value": 10000000},
        }
    ],
}
CONTENT_EXAMPLE: Final = "5f2c1d7be6f3f6b0a4b8d93c3a9e7d1f0c6b5a49382716f5e4d3c2b1a0998877"
VERSION_EXAMPLE: Final[dict[str, Any]] = {
    "number": 42,
    "content": CONTENT_EXAMPLE,
    "author": "an",
    "note": "Hạ ngưỡng VIP cho Tết 2027",
    "at_ms": 1795150800000,
    "parent": 41,
    "preview": {"customers": 100000, "touched": 4012, "added": 4012, "removed": 0, "calls": 4093, "seconds": 1023},
}  # fmt: skip
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        RULES_PATH,
        show_rules,
        RulesResponse,
        {"version": VERSION_EXAMPLE, "rules": RULES_EXAMPLE, "yaml": RULES_TEXT_EXAMPLE},
        RulesQuery,
        cpu_bound=True,
        etag=lambda answer: version_etag(answer.version.number),
        role=Role.VIEWER,
    ),
    Endpoint(
        "GET",
        f"{RULES_PATH}/history",
        list_versions,
        VersionList,
        {"versions": [VERSION_EXAMPLE], "next": "LTQy"},
        PageQuery,
        cpu_bound=True,
        role=Role.VIEWER,
    ),
    Endpoint(
        "GET",
        f"{RULES_PATH}/diff",
        compare_versions,
        DifferenceResponse,
        {
            "from": 41,
            "to": 42,
            "text": [
                "~ Khách VIP (đã sửa)",
                "  - Tổng chi tiêu từ 20.000.000 ₫ trở lên",
                "  + Tổng chi tiêu từ 10.000.000 ₫ trở lên",
            ],
            "rules": [
                {
                    "id": "vip",
                    "how": "changed",
                    "title": "~ Khách VIP (đã sửa)",
                    "lines": [
                        {"sign": "-", "text": "Tổng chi tiêu từ 20.000.000 ₫ trở lên"},
                        {"sign": "+", "text": "Tổng chi tiêu từ 10.000.000 ₫ trở lên"},
                    ],
                }
            ],
            "yaml": "--- v41\n+++ v42\n@@ -5,1 +5,1 @@\n-  when: {field: total_spent, op: at_least, value: 20_000_000}\n"
            "+  when: {field: total_spent, op: at_least, value: 10_000_000}\n",
            "leftovers": [],
        },
        DifferenceQuery,
        cpu_bound=True,
        role=Role.VIEWER,
    ),
)
