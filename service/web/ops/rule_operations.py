"""Operations on the rules: looking at them, previewing, publishing, undoing. Work for the process beside the web's.

The store's functions are those of the command line; each raises NotFound, Refused, Unreadable or redis' errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec
from msgspec import UNSET

from service.domain.differences import differences, headline, in_sentences, in_words, in_yaml
from service.domain.parsing import check_rules, parse_rules
from service.domain.rules import RuleSet
from service.domain.words import Words
from service.domain.writing import dump_yaml
from service.errors import NotFound, Refused
from service.locales import words
from service.store import drafts, publish_runs, publishing
from service.store.drafts import Draft
from service.store.shop import Shop
from service.web.ops.floor import Floor, line
from service.web.ops.models import RunLine
from service.web.ops.questions import Call
from service.web.ops.rule_models import (
    DifferenceLine,
    DifferenceQuery,
    HistoryQuery,
    Previewing,
    Published,
    Publishing,
    RolledBack,
    RollingBack,
    RuleDifference,
    RulesQuery,
    ShownDifference,
    ShownPreview,
    ShownRules,
    VersionLine,
    VersionList,
)


async def show_rules(floor: Floor, call: Call) -> ShownRules:
    """The rules of a shop: what is live, or an earlier version."""
    asked = cast("RulesQuery", call.asked)
    shop = await floor.shops.require(call.org)
    number = await _number(floor, shop) if asked.version is UNSET else asked.version
    version = await floor.versions.get(shop.org, number)
    rule_set = await floor.versions.document(shop.org, number)
    return ShownRules(line(version, VersionLine), rule_set.model_dump(by_alias=True), dump_yaml(rule_set))


async def list_versions(floor: Floor, call: Call) -> VersionList:
    """Every version of the rules: who, when, why, and what its preview said."""
    asked = cast("HistoryQuery", call.asked)
    shop = await floor.shops.require(call.org)
    found = await floor.versions.history(shop.org)
    return VersionList([line(one, VersionLine) for one in found[: asked.limit]])


async def compare_versions(floor: Floor, call: Call) -> ShownDifference:
    """What differs between two versions, rule by rule, in sentences and as YAML."""
    asked = cast("DifferenceQuery", call.asked)
    shop = await floor.shops.require(call.org)
    until = await _number(floor, shop) if asked.until is UNSET else asked.until
    since = until - 1 if asked.since is UNSET else asked.since
    if since < 1:
        raise NotFound(f"shop {shop.org} has no two versions to compare")
    before = await floor.versions.document(shop.org, since)
    after = await floor.versions.document(shop.org, until)
    said = words(asked.lang)
    return ShownDifference(
        since=since,
        until=until,
        text=in_words(before, after, words=said),
        rules=_differences(before, after, words=said),
        yaml=in_yaml(before, after, names=(f"v{since}", f"v{until}")),
    )


async def preview_rules(floor: Floor, call: Call) -> ShownPreview:
    """What publishing these rules would do to everybody known: tags, tier moves, API calls, warnings."""
    asked = cast("Previewing", call.asked)
    rule_set = _read(asked.rules)
    shop = await floor.shops.require(call.org)
    draft = await drafts.draft(
        floor.redis, shop, rule_set, versions=floor.versions, now_ms=await floor.now_ms()
    )
    return shown(draft, words(asked.lang))


async def publish_rules(floor: Floor, call: Call) -> Published:
    """Make these rules the shop's, and mark whoever changes by it.

    Beyond the guard (5 % of the customers touched, or 2,000 tags removed) it is refused with 409 and `approval`
    until it is asked for with `approve`; the audit log names who did. The run is followed at `runs/{run}`. What is live
    already, by the same author with the same note, is not published twice: the answer is that version.
    """
    asked = cast("Publishing", call.asked)
    rule_set = _read(asked.rules)
    shop = await floor.shops.require(call.org)
    parent = None if asked.parent is UNSET else asked.parent
    if (
        live := await _live_already(floor, shop, rule_set, by=call.by, note=asked.note, parent=parent)
    ) is not None:
        return live
    now = await floor.now_ms()
    draft = await drafts.draft(floor.redis, shop, rule_set, versions=floor.versions, now_ms=now)
    if asked.parent is not UNSET and asked.parent != draft.parent:
        raise Refused(f"version {draft.parent} is live, you began from {asked.parent}: look at what changed")
    done = await publishing.publish(
        floor.redis,
        shop,
        draft,
        versions=floor.versions,
        by=call.by,
        note=asked.note,
        now_ms=now,
        approved=asked.approve,
    )
    return _published(done, shop)


async def roll_back_rules(floor: Floor, call: Call) -> RolledBack:
    """Publish an earlier version again, and take back what the versions since gave.

    The latest version is undone without approval for a day; anything else obeys the guard like a publish.
    """
    asked = cast("RollingBack", call.asked)
    shop = await floor.shops.require(call.org)
    now = await floor.now_ms()
    draft = await drafts.draft_rollback(floor.redis, shop, to=asked.to, versions=floor.versions, now_ms=now)
    if asked.dry_run:
        return RolledBack(shown(draft, words(asked.lang)), None)
    note = asked.note or publishing.back_to(asked.to)
    if (live := await _live_already(floor, shop, draft.rule_set, by=call.by, note=note)) is not None:
        return RolledBack(None, live)
    done = await publishing.roll_back(
        floor.redis,
        shop,
        draft,
        to=asked.to,
        versions=floor.versions,
        by=call.by,
        note=asked.note,
        now_ms=now,
        approved=asked.approve,
    )
    return RolledBack(None, _published(done, shop))


async def _live_already(
    floor: Floor, shop: Shop, rule_set: RuleSet, *, by: str, note: str, parent: int | None = None
) -> Published | None:
    live = await floor.versions.live(shop.org)
    if live is None or not publishing.is_live(live, rule_set, by=by, note=note, parent=parent):
        return None
    run = await publish_runs.run_of(floor.redis, shop.org, live)
    return _published(publishing.Published(live, run), shop)


async def _number(floor: Floor, shop: Shop) -> int:
    number = await floor.versions.live_number(shop.org)
    if not number:
        raise NotFound(f"shop {shop.org} has no rules yet")
    return number


def _read(document: str | Mapping[str, Any]) -> RuleSet:
    return parse_rules(document) if isinstance(document, str) else check_rules(document)


def shown(draft: Draft, said: Words) -> ShownPreview:
    """The preview of a draft."""
    return msgspec.convert(drafts.as_data(draft, words=said), ShownPreview)


def _published(done: publishing.Published, shop: Shop) -> Published:
    run = None if done.run is None else line(done.run, RunLine)
    return Published(line(done.version, VersionLine), run, shop.shadow)


def _differences(before: RuleSet, after: RuleSet, *, words: Words) -> list[RuleDifference]:
    return [
        RuleDifference(
            one.id,
            one.how,
            headline(one, words=words),
            [
                DifferenceLine(each.sign, each.text)
                for each in in_sentences(one, words=words, before=before, after=after)
            ],
        )
        for one in differences(before, after)
    ]
