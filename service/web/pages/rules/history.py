"""The history of the rules: versions, what each changed, and the way back to an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.domain.access import Role
from service.errors import NotFound
from service.publishing import editor
from service.publishing.editor import RollbackReview, RuleDifference
from service.sentence import Sentence
from service.store.rules import Version
from service.store.shops import Shop
from service.web.pages.shell import Crumb, Notice, Page, Redirect, Section, View, Visit

MAX_VERSIONS: Final = 100
MAX_NOTE: Final = 200


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version with the numbers that its author saw. `same_as`: an earlier version with the same rules, or 0."""

    version: Version
    is_live: bool
    added: int
    removed: int
    same_as: int


@dataclass(frozen=True, slots=True)
class History:
    """Versions, the newest first."""

    shop: Shop
    rows: tuple[VersionRow, ...]


@dataclass(frozen=True, slots=True)
class VersionChanges:
    """What a version changed."""

    shop: Shop
    version: Version
    is_live: bool
    changes: tuple[RuleDifference, ...]


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a roll-back would change."""

    shop: Shop
    review: RollbackReview
    may_publish: bool


async def show_history(visit: Visit) -> View | Redirect:
    """The latest versions."""
    shop = await visit.context.shops.describe(visit.org)
    versions = await visit.context.versions.history(shop.org)
    live = await visit.context.versions.live_number(shop.org)
    return View("rules/history.html", History(shop, make_rows(versions, live)), visit.t("history.title"))


async def show_version(visit: Visit) -> View | Redirect:
    """What a version changed, compared with the one before it."""
    shop = await visit.context.shops.describe(visit.org)
    versions = visit.context.versions
    version = await versions.get(shop.org, _number(visit))
    after = await versions.document(shop.org, version.number)
    before = (
        await versions.document(shop.org, version.parent)
        if version.parent
        else after.model_copy(update={"rules": (), "tiers": ()})
    )
    model = VersionChanges(
        shop,
        version,
        version.number == await versions.live_number(shop.org),
        editor.differences(before, after, visit.language),
    )
    title = visit.t("history.version", number=str(version.number))
    return View("rules/version.html", model, title, _crumbs(visit, shop))


async def show_rollback(visit: Visit) -> View | Redirect:
    """What going back to a version would change. 0: to no rules at all."""
    shop = await visit.context.shops.describe(visit.org)
    review = await visit.cpu.run(editor.review_rollback, shop.org, _number(visit), visit.language)
    may_publish = visit.may("ops") or not review.effect.needs_approval
    title = visit.t("rollback.title" if review.to else "rollback.title.none", number=str(review.to))
    return View("rules/rollback.html", Rollback(shop, review, may_publish), title, _crumbs(visit, shop))


async def roll_back(visit: Visit) -> View | Redirect:
    """Publish the rules of an earlier version again."""
    shop = await visit.context.shops.describe(visit.org)
    live = visit.posted("live")
    number = await visit.cpu.run(
        editor.publish_rollback,
        shop.org,
        _number(visit),
        int(live) if live.isascii() and live.isdigit() and len(live) < 10 else -1,
        by=visit.by,
        note=visit.posted("note")[:MAX_NOTE],
        approved=bool(visit.posted("approve")),
    )
    return Redirect(f"/shops/{shop.org}/history", Notice("notice.published", {"number": str(number)}))


def make_rows(versions: tuple[Version, ...], live: int) -> tuple[VersionRow, ...]:
    """The rows of the latest versions."""
    first: dict[str, int] = {}
    for version in reversed(versions):
        first.setdefault(version.content, version.number)
    rows = []
    for version in versions[:MAX_VERSIONS]:
        preview = version.preview or {}
        same = first[version.content]
        rows.append(
            VersionRow(
                version,
                version.number == live,
                int(preview.get("added", 0)),
                int(preview.get("removed", 0)),
                same if same != version.number else 0,
            )
        )
    return tuple(rows)


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
    Page("GET", "/shops/{org}/history/{number}/rollback", show_rollback, Role.MARKETER),
    Page("POST", "/shops/{org}/history/{number}/rollback", roll_back, Role.MARKETER),
)
