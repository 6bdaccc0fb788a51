"""The history of the rules: versions, what each changed and has written, and the way back to an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from service.context import Context
from service.domain.access import Role
from service.domain.customers import OrgId
from service.domain.documents import to_yaml
from service.domain.preview import yaml_diff
from service.domain.rules import RuleSet
from service.errors import NotFound
from service.publishing import rollout, scheduled
from service.publishing.review import (
    RollbackReview,
    RuleDifference,
    differences,
    publish_rollback,
    review_rollback,
)
from service.sentence import Sentence
from service.store.rules import Version
from service.store.shops import Shop
from service.store.tasks import PageTask
from service.web.pages.publishing import working
from service.web.pages.publishing.effects import Progress, measure
from service.web.pages.publishing.people import names_in
from service.web.pages.shell import (
    Crumb,
    Download,
    Page,
    Redirect,
    Section,
    View,
    Visit,
    parse_count,
    parse_day,
)

MAX_VERSIONS: Final = 100
MAX_NOTE: Final = 200


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version with what it has written; before its run is known, with the numbers that its author saw.

    `same_as`: an earlier version with the same rules, or 0. `is_late`: it was scheduled, and went live much later.
    """

    version: Version
    is_live: bool
    added: int
    removed: int
    same_as: int
    progress: Progress
    is_late: bool


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list shows. `rule` is an id; the days are those of the shop."""

    rule: str = ""
    author: str = ""
    since: date | None = None
    until: date | None = None

    def match(self, version: Version, timezone: str) -> bool:
        """Whether a version is shown."""
        day = datetime.fromtimestamp(version.at_ms / 1000, UTC).astimezone(ZoneInfo(timezone)).date()
        return (
            (not self.rule or self.rule in version.changed)
            and (not self.author or self.author == version.author)
            and (self.since is None or self.since <= day)
            and (self.until is None or day <= self.until)
        )

    @property
    def is_empty(self) -> bool:
        """Whether every version is shown."""
        return self == Filters()


@dataclass(frozen=True, slots=True)
class History:
    """Versions, the newest first, and what they can be filtered by: `rules` are pairs of id and name."""

    shop: Shop
    rows: tuple[VersionRow, ...]
    filters: Filters
    rules: tuple[tuple[str, str], ...]
    authors: tuple[str, ...]
    live: int


@dataclass(frozen=True, slots=True)
class VersionPage:
    """A version: what it has written, and how it differs from `before`. With `is_yaml`, `lines` are a unified diff."""

    shop: Shop
    row: VersionRow
    before: int
    numbers: tuple[int, ...]
    is_yaml: bool
    changes: tuple[RuleDifference, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def version(self) -> Version:
        """The version."""
        return self.row.version


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a roll-back would change."""

    shop: Shop
    review: RollbackReview
    may_publish: bool
    names: Mapping[int, str]


async def show_history(visit: Visit) -> View | Redirect:
    """The latest versions that the filters let through."""
    shop = await visit.context.shops.describe(visit.org)
    versions = await visit.context.versions.history(shop.org)
    filters = Filters(
        visit.query.get("rule", ""),
        visit.query.get("by", ""),
        parse_day(visit.query.get("since", "")),
        parse_day(visit.query.get("until", "")),
    )
    rows = await _rows(visit.context, shop, versions)
    model = History(
        shop,
        tuple(row for row in rows if filters.match(row.version, shop.timezone))[:MAX_VERSIONS],
        filters,
        await _rule_names(visit, versions),
        tuple(sorted({version.author for version in versions})),
        versions[0].number if versions else 0,
    )
    return View("publishing/history.html", model, visit.t("history.title"))


async def show_version(visit: Visit) -> View | Redirect:
    """What a version has written, and how it differs from another one: in sentences, or as YAML."""
    shop, row = await _load_row(visit)
    number = row.version.number
    chosen = parse_count(visit.query.get("with", ""))
    before = row.version.parent if chosen is None or chosen >= number else chosen
    is_yaml = visit.query.get("as") == "yaml"
    versions = visit.context.versions
    numbers = tuple(each.number for each in await versions.history(shop.org) if each.number < number)
    changes: tuple[RuleDifference, ...] = ()
    lines: tuple[str, ...] = ()
    if is_yaml:
        lines = await visit.cpu.run(compare_yaml, shop.org, before, number)
    else:
        documents = [await load_document(visit.context, shop, each) for each in (before, number)]
        changes = differences(documents[0], documents[1], visit.language)
    model = VersionPage(shop, row, before, numbers, is_yaml, changes, lines)
    title = visit.t("history.version", number=str(number))
    return View("publishing/version.html", model, title, _crumbs(visit, shop))


async def show_version_progress(visit: Visit) -> View | Redirect:
    """What a version has written so far, alone, for pages that are open."""
    shop, row = await _load_row(visit)
    return View("publishing/progress.html", VersionPage(shop, row, 0, (), is_yaml=False))


async def download_rules(visit: Visit) -> Download:
    """The rules of a version as YAML."""
    shop = await visit.context.shops.describe(visit.org)
    number = _number(visit)
    text = await visit.cpu.run(export_yaml, shop.org, number)
    return Download(f"rules-{shop.org}-v{number}.yaml", "application/yaml", text.encode())


async def show_rollback(visit: Visit) -> View | Redirect:
    """What going back to a version would change. 0: to no rules at all."""
    shop, to = await visit.context.shops.describe(visit.org), _number(visit)
    live = await visit.context.versions.live_number(shop.org)
    title = visit.t("rollback.title" if to else "rollback.title.none", number=str(to))
    review = await working.reviewed(
        visit,
        f"rollback-{to}-{live}-{visit.language}",
        RollbackReview,
        review_rollback,
        to,
        visit.language,
    )
    if isinstance(review, PageTask):
        path = f"/shops/{shop.org}/history/{to}/rollback"
        return working.show_progress(visit, review, path, title, _crumbs(visit, shop))
    may_publish = visit.may("ops") or not review.effect.needs_approval
    model = Rollback(shop, review, may_publish, await names_in(visit, review.effect))
    return View("publishing/rollback.html", model, title, _crumbs(visit, shop))


async def roll_back(visit: Visit) -> View | Redirect:
    """Publish the rules of an earlier version again."""
    await visit.context.shops.describe(visit.org)
    live = visit.posted("live")
    return await working.submit(
        visit,
        "rollback",
        publish_rollback,
        _number(visit),
        int(live) if live.isascii() and live.isdigit() and len(live) < 10 else -1,
        by=visit.by,
        note=visit.posted("note")[:MAX_NOTE],
        approved=bool(visit.posted("approve")),
    )


async def compare_yaml(context: Context, org: OrgId, before: int, after: int) -> tuple[str, ...]:
    """The unified diff of two versions. Runs in the CPU pool. Raises NotFound."""
    shop = await context.shops.describe(org)
    documents = [await load_document(context, shop, number) for number in (before, after)]
    return tuple(yaml_diff(*documents, names=(f"v{before}", f"v{after}")).splitlines())


async def export_yaml(context: Context, org: OrgId, number: int) -> str:
    """The rules of a version as YAML. Runs in the CPU pool. Raises NotFound."""
    return to_yaml(await context.versions.document(org, number))


async def load_document(context: Context, shop: Shop, number: int) -> RuleSet:
    """The rules of a version; of version 0 none. Raises NotFound."""
    if not number:
        return RuleSet(timezone=shop.timezone, currency=shop.currency)
    return await context.versions.document(shop.org, number)


def make_rows(
    versions: Sequence[Version], live: int, progress: Mapping[int, Progress]
) -> tuple[VersionRow, ...]:
    """The rows of versions, which are given newest first."""
    first: dict[str, int] = {}
    for version in reversed(versions):
        first.setdefault(version.content, version.number)
    rows: list[VersionRow] = []
    for version in versions:
        done, preview = progress.get(version.number, Progress("unknown")), version.preview or {}
        is_known = done.state not in ("unknown", "preparing", "frozen", "shadow")
        same = first[version.content]
        rows.append(
            VersionRow(
                version,
                version.number == live,
                done.added if is_known else int(preview.get("added", 0)),
                done.removed if is_known else int(preview.get("removed", 0)),
                same if same != version.number else 0,
                done,
                scheduled.is_late(version),
            )
        )
    return tuple(rows)


async def _rows(context: Context, shop: Shop, versions: Sequence[Version]) -> tuple[VersionRow, ...]:
    now_ms, live = await context.now_ms(), await context.versions.live_number(shop.org)
    runs = await rollout.runs_by_version(context.redis, shop.org)
    progress = {
        version.number: measure(
            runs.get(version.number, ()), version, shop, now_ms=now_ms, is_live=version.number == live
        )
        for version in versions
    }
    return make_rows(versions, live, progress)


async def _load_row(visit: Visit) -> tuple[Shop, VersionRow]:
    """The version of the path. Raises NotFound."""
    shop, number = await visit.context.shops.describe(visit.org), _number(visit)
    await visit.context.versions.get(shop.org, number)
    rows = await _rows(visit.context, shop, await visit.context.versions.history(shop.org))
    return shop, next(row for row in rows if row.version.number == number)


async def _rule_names(visit: Visit, versions: Sequence[Version]) -> tuple[tuple[str, str], ...]:
    """The rules that a version changed, by name. A rule that is not live any more is shown by its id."""
    changed = {rule for version in versions for rule in version.changed}
    names: dict[str, str] = {}
    if versions:
        live = await visit.context.versions.document(visit.org, versions[0].number)
        names = {rule.id: rule.display_name(visit.language) for rule in live.all}
    return tuple(sorted(((rule, names.get(rule, rule)) for rule in changed), key=lambda pair: pair[1]))


def _number(visit: Visit) -> int:
    text = visit.path["number"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound(Sentence("there is no version {version}", version=text[:40]))
    return int(text)


def _crumbs(visit: Visit, shop: Shop) -> tuple[Crumb, ...]:
    return (Crumb(visit.t("history.title"), f"/shops/{shop.org}/history"),)


SECTIONS: Final = (Section("history", "/shops/{org}/history"),)
PAGES: Final = (
    Page("GET", "/shops/{org}/history", show_history, Role.VIEWER),
    Page("GET", "/shops/{org}/history/{number}", show_version, Role.VIEWER),
    Page("GET", "/shops/{org}/history/{number}/progress", show_version_progress, Role.VIEWER),
    Page("GET", "/shops/{org}/history/{number}/rules.yaml", download_rules, Role.VIEWER),
    Page("GET", "/shops/{org}/history/{number}/rollback", show_rollback, Role.MARKETER),
    Page("POST", "/shops/{org}/history/{number}/rollback", roll_back, Role.MARKETER),
)
