"""A second opinion: reads a document's plain data and decides in the most literal way, sharing no code.

Slow on purpose: no compiling, no shortcuts, one day at a time. Written from the language's specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.reference.matching import Person, fold, holds, read_tags, span

FOREVER = 10**9


@dataclass
class Kept:
    """Standing as plain data: owned = key -> [tag, rule, since day, version]; held = id -> [key, since, below, by]."""

    owned: dict[str, list[Any]] = field(default_factory=dict)
    held: dict[str, list[Any]] = field(default_factory=dict)
    excluded: set[str] = field(default_factory=set)


@dataclass
class Outcome:
    """What the second opinion says."""

    add: set[str]
    remove: set[str]
    wanted: set[str]
    kept: Kept


@dataclass
class World:
    """Everything a decision is made from, and the tags as they are settled."""

    doc: Mapping[str, Any]
    customer: Person
    before: Kept
    today: date
    version: int
    gone: Mapping[str, str]
    undone: set[tuple[str, int]]
    blind: set[int]  # versions that were undone: whom they saw lower was not
    tags: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)
    owned: dict[str, list[Any]] = field(default_factory=dict)
    held: dict[str, list[Any]] = field(default_factory=dict)

    def matches(self, tree: Mapping[str, Any], own: set[str]) -> bool:
        return holds(tree, self.customer, self.tags, own, self.doc, self.today)

    def wish(self, maker: str) -> str:
        for one in makers_of(self.doc):
            if one["id"] == maker:
                return str(one.get("when_gone", "leave"))
        return self.gone.get(maker, "leave")

    def taken_back(self, key: str) -> bool:
        return key in self.owned and (self.owned[key][1], self.owned[key][3]) in self.undone

    def ours_to_take(self, key: str, setters: list[str], *, everyones: bool) -> bool:
        """Whether a tag that nobody gives may be removed."""
        if key not in self.owned:
            return everyones
        giver = self.owned[key][1]
        if giver in self.before.excluded:
            return everyones
        if self.taken_back(key) or giver in setters:
            return True
        return self.wish(giver) == "remove" or everyones

    def add(self, key: str, tag: str, giver: str) -> None:
        self.tags.add(key)
        self.owned[key] = [tag, giver, self.today.toordinal(), self.version]

    def drop(self, key: str) -> None:
        self.tags.discard(key)
        self.owned.pop(key, None)


def decide(
    *,
    doc: Mapping[str, Any],
    customer: Person,
    kept: Kept,
    today: date,
    version: int,
    gone: Mapping[str, str],
    undone: set[tuple[str, int]],
    blind: set[int],
) -> Outcome:
    """The whole decision, the long way."""
    tags = {fold(tag) for tag in customer.tags}
    world = World(doc, customer, kept, today, version, gone, undone, blind, set(tags))
    world.owned = {key: list(own) for key, own in kept.owned.items() if key in tags}
    world.held = {one: list(hold) for one, hold in kept.held.items() if one not in without_memory(doc)}
    groups = group_by_tag(doc)
    set_now = {key for group in groups for key in group["keys"]}
    for key, own in list(world.owned.items()):
        unwelcome = (own[1], own[3]) in undone or world.wish(own[1]) == "remove"
        if key not in set_now and own[1] not in kept.excluded and unwelcome:
            world.drop(key)
    waiting = list(groups)
    while waiting:
        ready = next(
            one
            for one in waiting
            if not any(reads(one["makers"], other["keys"]) for other in waiting if other is not one)
        )
        waiting.remove(ready)
        if "levels" in ready["makers"][0]:
            settle_tier(world, ready["makers"][0])
        else:
            settle_rules(world, ready["makers"])
    for one, hold in kept.held.items():
        if one in without_memory(doc) and hold[0] in world.tags:
            world.held[one] = [hold[0], hold[1], None, 0]  # the day of the giving stays as long as the tag
    return Outcome(
        world.tags - tags, tags - world.tags, world.wanted, Kept(world.owned, world.held, kept.excluded)
    )


def without_memory(doc: Mapping[str, Any]) -> set[str]:
    """Live rules and tiers that have nothing to remember."""
    rules = {one["id"] for one in doc.get("rules", []) if one.get("enabled", True) and not keep_days(one)}
    tiers = doc.get("tiers", [])
    return rules | {
        one["id"]
        for one in tiers
        if one.get("enabled", True) and one.get("downgrade", "at_once") == "at_once"
    }


def group_by_tag(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for rule in doc.get("rules", []):
        if rule.get("enabled", True):
            group = groups.setdefault(fold(rule["tag"]), {"keys": {fold(rule["tag"])}, "makers": []})
            group["makers"].append(rule)
    for tier in doc.get("tiers", []):
        if tier.get("enabled", True):
            groups["tier " + tier["id"]] = {
                "keys": tags_of(tier),
                "makers": [tier],
            }
    return list(groups.values())


def reads(makers: list[Any], keys: set[str]) -> bool:
    """Whether one of these asks about one of the tags; `is_empty` asks about all but its own."""
    for maker in makers:
        for level in maker.get("levels", [maker]):
            read = read_tags(level["when"])
            if keys - tags_of(maker) if read is None else read & keys:
                return True
    return False


def makers_of(doc: Mapping[str, Any]) -> list[Any]:
    """Rules and tiers, live or not, in the document's order."""
    return [*doc.get("rules", []), *doc.get("tiers", [])]


def tags_of(maker: Mapping[str, Any]) -> set[str]:
    """The folded tags that a rule or tier sets."""
    return {fold(level["tag"]) for level in maker.get("levels", [maker])}


def settle_rules(world: World, rules: list[Any]) -> None:  # noqa: C901 - told in one go, to be read beside the rules
    """One tag and those who set it."""
    tag, key = rules[0]["tag"].strip(), fold(rules[0]["tag"])
    free = [rule for rule in rules if rule["id"] not in world.before.excluded]
    matching = [rule for rule in free if world.matches(rule["when"], {key})]
    there = key in world.tags
    if matching:
        world.wanted.add(key)
        giver = max(matching, key=keep_days)
        if not there:
            world.add(key, tag, giver["id"])
        own = world.owned.get(key)
        ours = own is not None and own[1] not in world.before.excluded
        if own and ours and (world.taken_back(key) or own[1] not in {rule["id"] for rule in rules}):
            if world.taken_back(key) and world.held.get(own[1], [None])[0] == key:
                del world.held[own[1]]
            world.owned[key] = [own[0], giver["id"], own[2], world.version]
        for rule in matching:
            if keep_days(rule) and (ours or rule.get("owns") == "all"):
                world.held[rule["id"]] = hold_of(world, rule, key) or [key, world.today.toordinal(), None, 0]
    else:
        follower = next((rule for rule in free if follows(world, rule, key)), None)
        keepers = [
            rule for rule in free if keep_days(rule) and lasting(world, rule, hold_of(world, rule, key))
        ]
        if follower:
            since = world.held[follower["id"]][1]
            if not there:
                world.add(key, tag, follower["id"])
            world.held[follower["id"]] = [key, since, None, 0]
        if (there or follower) and keepers:  # whoever holds the tag by itself goes on holding it
            for rule in keepers:
                world.held[rule["id"]] = hold_of(world, rule, key) or []
        elif there and not follower:
            everyones = any(rule.get("owns") == "all" for rule in free)
            if world.ours_to_take(key, [rule["id"] for rule in rules], everyones=everyones):
                world.drop(key)
    for rule in free:
        hold = world.held.get(rule["id"])
        if hold and not (keep_days(rule) and hold[0] == key and key in world.tags):
            del world.held[rule["id"]]


def keep_days(rule: Mapping[str, Any]) -> int:
    keep = rule.get("keep", "while_matching")
    return {"while_matching": 0, "forever": FOREVER}[keep] if "_" in keep or keep == "forever" else span(keep)


def lasting(world: World, rule: Mapping[str, Any], hold: list[Any] | None) -> bool:
    return hold is not None and world.today.toordinal() - hold[1] < keep_days(rule)


def hold_of(world: World, rule: Mapping[str, Any], key: str) -> list[Any] | None:
    own = world.owned.get(key)
    mine = own is not None and own[1] == rule["id"]
    if mine and world.taken_back(key):
        return None
    hold = world.held.get(rule["id"])
    if hold and hold[0] == key:
        return hold
    return [key, own[2], None, 0] if mine and own else None


def follows(world: World, rule: Mapping[str, Any], key: str) -> bool:
    """A kept tag follows its rule to a new name, when old names are to be removed."""
    hold = world.held.get(rule["id"])
    if not keep_days(rule) or not hold or hold[0] == key or not lasting(world, rule, hold):
        return False
    old = world.before.owned.get(hold[0])
    there = hold[0] in {fold(tag) for tag in world.customer.tags}
    if not there or not old or old[1] != rule["id"] or (old[1], old[3]) in world.undone:
        return False
    return bool(rule.get("when_gone", "leave") == "remove")


def settle_tier(world: World, tier: Mapping[str, Any]) -> None:
    """One tier."""
    if tier["id"] in world.before.excluded:
        return
    keys = [fold(level["tag"]) for level in tier["levels"]]
    earned = next(
        (at for at, level in enumerate(tier["levels"]) if world.matches(level["when"], set(keys))), len(keys)
    )
    down = tier.get("downgrade", "at_once")
    days = {"at_once": 0, "never": FOREVER}[down] if isinstance(down, str) else span(down["after"])
    target, below = earned, None
    now = standing_level(world, tier, keys) if days else None
    if now and earned > now[0]:
        since = now[1] if now[1] is not None else world.today.toordinal()
        if days == FOREVER:
            target = now[0]
        elif world.today.toordinal() < since + days:
            target, below = now[0], since
    if target < len(keys):
        key = keys[target]
        world.wanted.add(key)
        own = world.owned.get(key)
        if key not in world.tags:
            world.add(key, tier["levels"][target]["tag"].strip(), tier["id"])
        elif own and own[1] not in world.before.excluded and (world.taken_back(key) or own[1] != tier["id"]):
            world.owned[key] = [own[0], tier["id"], own[2], world.version]
    for at, key in enumerate(keys):
        everyones = tier.get("owns", "all") == "all"
        if at != target and key in world.tags and world.ours_to_take(key, [tier["id"]], everyones=everyones):
            world.drop(key)
    old = world.held.pop(tier["id"], None)
    if days and target < len(keys):
        since = old[1] if old and old[0] == keys[target] else world.today.toordinal()
        known = old and old[2] == below and old[3] not in world.blind
        by = 0 if below is None else old[3] if old and known else world.version
        world.held[tier["id"]] = [keys[target], since, below, by]


def standing_level(world: World, tier: Mapping[str, Any], keys: list[str]) -> tuple[int, int | None] | None:
    hold = world.held.get(tier["id"])
    mine = [key for key in keys if key in world.owned and world.owned[key][1] == tier["id"]]
    there = hold and hold[0] in keys and hold[0] in world.tags
    if hold and there and not (hold[0] in mine and world.taken_back(hold[0])):
        return keys.index(hold[0]), None if hold[3] in world.blind else hold[2]
    good = [keys.index(key) for key in mine if not world.taken_back(key)]
    return (min(good), None) if good else None
