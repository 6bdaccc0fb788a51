"""An independent evaluator: reads the plain data of a document and decides in the most literal way.

It shares no code with the service, and is slow on purpose: nothing is compiled, and there is no shortcut. It was
written from the specification of the rule language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.reference.conditions import Record, duration_days, fold, keys_read_by, matches, tags_read_by

FOREVER = 10**9


@dataclass
class State:
    """The stored state of a customer as plain data."""

    ownership: dict[str, list[Any]] = field(default_factory=dict)  # key -> [tag, rule, since day, version]
    holds: dict[str, list[Any]] = field(default_factory=dict)  # id -> [key, since, below since, observed by]
    excluded: set[str] = field(default_factory=set)


@dataclass
class Expected:
    """What the evaluator expects of a decision. Tags are folded."""

    add: set[str]
    remove: set[str]
    wanted: set[str]
    state: State


@dataclass
class Evaluation:
    """The inputs of one decision, and what is decided so far."""

    doc: Mapping[str, Any]
    customer: Record
    before: State
    today: date
    version: int
    orphan_policies: Mapping[str, str]
    revoked: set[tuple[str, int]]
    rolled_back: set[int]  # versions: a lower level that they observed does not count
    tags: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)
    ownership: dict[str, list[Any]] = field(default_factory=dict)
    holds: dict[str, list[Any]] = field(default_factory=dict)

    def matches(self, tree: Mapping[str, Any], own: set[str]) -> bool:
        return matches(tree, self.customer, self.tags, own, self.doc, self.today)

    def is_undecided(self, rule: Mapping[str, Any]) -> bool:
        """Whether a rule or tier reads a field that the record lacks. It then decides nothing for the customer."""
        return rule["id"] not in self.before.excluded and any(
            keys_read_by(level["when"]) & self.customer.missing for level in rule.get("levels", [rule])
        )

    def was_set_by_undecided(self, key: str) -> bool:
        """Whether the tag is owned by a live rule or tier that is undecided."""
        return key in self.ownership and any(
            rule["id"] == self.ownership[key][1] and rule.get("enabled", True) and self.is_undecided(rule)
            for rule in rules_and_tiers(self.doc)
        )

    def orphan_policy(self, rule_id: str) -> str:
        for rule in rules_and_tiers(self.doc):
            if rule["id"] == rule_id:
                return str(rule.get("when_gone", "leave"))
        return self.orphan_policies.get(rule_id, "leave")

    def is_revoked(self, key: str) -> bool:
        return key in self.ownership and (self.ownership[key][1], self.ownership[key][3]) in self.revoked

    def may_remove(self, key: str, setters: list[str], *, owns_all: bool) -> bool:
        """Whether a tag that no rule gives may be removed."""
        if key not in self.ownership:
            return owns_all
        owner = self.ownership[key][1]
        if owner in self.before.excluded:
            return owns_all
        if self.is_revoked(key) or owner in setters:
            return True
        if self.was_set_by_undecided(key):
            return owns_all
        return self.orphan_policy(owner) == "remove" or owns_all

    def add(self, key: str, tag: str, owner: str) -> None:
        self.tags.add(key)
        self.ownership[key] = [tag, owner, self.today.toordinal(), self.version]

    def remove(self, key: str) -> None:
        self.tags.discard(key)
        self.ownership.pop(key, None)


def decide(
    *,
    doc: Mapping[str, Any],
    customer: Record,
    state: State,
    today: date,
    version: int,
    orphan_policies: Mapping[str, str],
    revoked: set[tuple[str, int]],
    rolled_back: set[int],
) -> Expected:
    """Decide for one customer."""
    tags = {fold(tag) for tag in customer.tags}
    evaluation = Evaluation(
        doc, customer, state, today, version, orphan_policies, revoked, rolled_back, set(tags)
    )
    evaluation.ownership = {key: list(own) for key, own in state.ownership.items() if key in tags}
    evaluation.holds = {
        rule: list(hold) for rule, hold in state.holds.items() if rule not in rules_without_hold(doc)
    }
    groups = group_by_tag(doc)
    managed = {key for group in groups for key in group["keys"]}
    for key, own in list(evaluation.ownership.items()):
        is_gone = evaluation.orphan_policy(own[1]) == "remove" and not evaluation.was_set_by_undecided(key)
        is_removed = (own[1], own[3]) in revoked or is_gone
        if key not in managed and own[1] not in state.excluded and is_removed:
            evaluation.remove(key)
    waiting = list(groups)
    while waiting:
        ready = next(
            group
            for group in waiting
            if not any(reads(group["rules"], other["keys"]) for other in waiting if other is not group)
        )
        waiting.remove(ready)
        if "levels" in ready["rules"][0]:
            evaluate_tier(evaluation, ready["rules"][0])
        else:
            evaluate_tag(evaluation, ready["rules"])
    for rule, hold in state.holds.items():
        if rule in rules_without_hold(doc) and hold[0] in evaluation.tags:
            # The start of a hold stays as long as its tag.
            evaluation.holds[rule] = [hold[0], hold[1], None, 0]
    return Expected(
        evaluation.tags - tags,
        tags - evaluation.tags,
        evaluation.wanted,
        State(evaluation.ownership, evaluation.holds, state.excluded),
    )


def rules_without_hold(doc: Mapping[str, Any]) -> set[str]:
    """The ids of live rules and tiers without `keep` or `downgrade`."""
    rules = {rule["id"] for rule in doc.get("rules", []) if rule.get("enabled", True) and not keep_days(rule)}
    tiers = doc.get("tiers", [])
    return rules | {
        tier["id"]
        for tier in tiers
        if tier.get("enabled", True) and tier.get("downgrade", "at_once") == "at_once"
    }


def group_by_tag(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for rule in doc.get("rules", []):
        if rule.get("enabled", True):
            group = groups.setdefault(fold(rule["tag"]), {"keys": {fold(rule["tag"])}, "rules": []})
            group["rules"].append(rule)
    for tier in doc.get("tiers", []):
        if tier.get("enabled", True):
            groups["tier " + tier["id"]] = {
                "keys": tags_of(tier),
                "rules": [tier],
            }
    return list(groups.values())


def reads(rules: list[Any], keys: set[str]) -> bool:
    """Whether any of the rules reads any of the tags. `is_empty` reads all tags but those that its rule sets."""
    for rule in rules:
        for level in rule.get("levels", [rule]):
            read = tags_read_by(level["when"])
            if keys - tags_of(rule) if read is None else read & keys:
                return True
    return False


def rules_and_tiers(doc: Mapping[str, Any]) -> list[Any]:
    """All rules and tiers, enabled or not, in the order of the document."""
    return [*doc.get("rules", []), *doc.get("tiers", [])]


def tags_of(rule: Mapping[str, Any]) -> set[str]:
    """The folded tags that a rule or tier sets."""
    return {fold(level["tag"]) for level in rule.get("levels", [rule])}


def evaluate_tag(evaluation: Evaluation, rules: list[Any]) -> None:  # noqa: C901 - one function, to be compared with the specification
    """Evaluate one tag and the rules that set it."""
    tag, key = rules[0]["tag"].strip(), fold(rules[0]["tag"])
    included = [
        rule
        for rule in rules
        if rule["id"] not in evaluation.before.excluded and not evaluation.is_undecided(rule)
    ]
    matching = [rule for rule in included if evaluation.matches(rule["when"], {key})]
    present = key in evaluation.tags
    if matching:
        evaluation.wanted.add(key)
        grantor = max(matching, key=keep_days)
        if not present:
            evaluation.add(key, tag, grantor["id"])
        own = evaluation.ownership.get(key)
        is_owned = own is not None and own[1] not in evaluation.before.excluded
        is_foreign = own is not None and own[1] not in {rule["id"] for rule in rules}
        stays = is_foreign and evaluation.was_set_by_undecided(key) and not evaluation.is_revoked(key)
        if stays:
            is_owned = False
        if own and is_owned and (evaluation.is_revoked(key) or is_foreign):
            if evaluation.is_revoked(key) and evaluation.holds.get(own[1], [None])[0] == key:
                del evaluation.holds[own[1]]
            evaluation.ownership[key] = [own[0], grantor["id"], own[2], evaluation.version]
        for rule in matching:
            if keep_days(rule) and (is_owned or rule.get("owns") == "all"):
                evaluation.holds[rule["id"]] = current_hold(evaluation, rule, key) or [
                    key,
                    evaluation.today.toordinal(),
                    None,
                    0,
                ]
    else:
        renamed = next((rule for rule in included if is_renamed(evaluation, rule, key)), None)
        holders = [
            rule
            for rule in included
            if keep_days(rule) and is_active(evaluation, rule, current_hold(evaluation, rule, key))
        ]
        if renamed:
            since = evaluation.holds[renamed["id"]][1]
            if not present:
                evaluation.add(key, tag, renamed["id"])
            evaluation.holds[renamed["id"]] = [key, since, None, 0]
        if (present or renamed) and holders:  # holds on this tag stay
            for rule in holders:
                evaluation.holds[rule["id"]] = current_hold(evaluation, rule, key) or []
        elif present and not renamed and any(map(evaluation.is_undecided, rules)):
            owner = evaluation.ownership.get(key, ["", ""])[1]
            if evaluation.is_revoked(key) and owner not in evaluation.before.excluded:
                evaluation.remove(key)  # otherwise the tag stays: the undecided rule might match
        elif present and not renamed:
            owns_all = any(rule.get("owns") == "all" for rule in included)
            if evaluation.may_remove(key, [rule["id"] for rule in rules], owns_all=owns_all):
                evaluation.remove(key)
    for rule in rules:
        hold = evaluation.holds.get(rule["id"])
        if hold and rule in included and not (keep_days(rule) and hold[0] == key and key in evaluation.tags):
            del evaluation.holds[rule["id"]]
        if hold and evaluation.is_undecided(rule) and hold[0] == key and key not in evaluation.tags:
            del evaluation.holds[rule["id"]]


def keep_days(rule: Mapping[str, Any]) -> int:
    keep = rule.get("keep", "while_matching")
    return (
        {"while_matching": 0, "forever": FOREVER}[keep]
        if "_" in keep or keep == "forever"
        else duration_days(keep)
    )


def is_active(evaluation: Evaluation, rule: Mapping[str, Any], hold: list[Any] | None) -> bool:
    return hold is not None and evaluation.today.toordinal() - hold[1] < keep_days(rule)


def current_hold(evaluation: Evaluation, rule: Mapping[str, Any], key: str) -> list[Any] | None:
    own = evaluation.ownership.get(key)
    is_owner = own is not None and own[1] == rule["id"]
    if is_owner and evaluation.is_revoked(key):
        return None
    hold = evaluation.holds.get(rule["id"])
    if hold and hold[0] == key:
        return hold
    return [key, own[2], None, 0] if is_owner and own else None


def is_renamed(evaluation: Evaluation, rule: Mapping[str, Any], key: str) -> bool:
    """Whether a kept tag moves to the new name of its rule, which it does with `when_gone: remove`."""
    hold = evaluation.holds.get(rule["id"])
    if not keep_days(rule) or not hold or hold[0] == key or not is_active(evaluation, rule, hold):
        return False
    old = evaluation.before.ownership.get(hold[0])
    present = hold[0] in {fold(tag) for tag in evaluation.customer.tags}
    if not present or not old or old[1] != rule["id"] or (old[1], old[3]) in evaluation.revoked:
        return False
    return bool(rule.get("when_gone", "leave") == "remove")


def evaluate_tier(evaluation: Evaluation, tier: Mapping[str, Any]) -> None:
    """Evaluate one tier."""
    if tier["id"] in evaluation.before.excluded:
        return
    if evaluation.is_undecided(tier):
        leave_tier(evaluation, tier)
        return
    keys = [fold(level["tag"]) for level in tier["levels"]]
    earned = next(
        (index for index, level in enumerate(tier["levels"]) if evaluation.matches(level["when"], set(keys))),
        len(keys),
    )
    downgrade = tier.get("downgrade", "at_once")
    days = (
        {"at_once": 0, "never": FOREVER}[downgrade]
        if isinstance(downgrade, str)
        else duration_days(downgrade["after"])
    )
    target, below = earned, None
    held = held_level(evaluation, tier, keys) if days else None
    if held and earned > held[0]:
        since = held[1] if held[1] is not None else evaluation.today.toordinal()
        if days == FOREVER:
            target = held[0]
        elif evaluation.today.toordinal() < since + days:
            target, below = held[0], since
    if target < len(keys):
        key = keys[target]
        evaluation.wanted.add(key)
        own = evaluation.ownership.get(key)
        if key not in evaluation.tags:
            evaluation.add(key, tier["levels"][target]["tag"].strip(), tier["id"])
        elif (
            own
            and own[1] not in evaluation.before.excluded
            and (evaluation.is_revoked(key) or own[1] != tier["id"])
            and (evaluation.is_revoked(key) or not evaluation.was_set_by_undecided(key))
        ):
            evaluation.ownership[key] = [own[0], tier["id"], own[2], evaluation.version]
    for index, key in enumerate(keys):
        owns_all = tier.get("owns", "all") == "all"
        if (
            index != target
            and key in evaluation.tags
            and evaluation.may_remove(key, [tier["id"]], owns_all=owns_all)
        ):
            evaluation.remove(key)
    old = evaluation.holds.pop(tier["id"], None)
    if days and target < len(keys):
        since = old[1] if old and old[0] == keys[target] else evaluation.today.toordinal()
        known = old and old[2] == below and old[3] not in evaluation.rolled_back
        by = 0 if below is None else old[3] if old and known else evaluation.version
        evaluation.holds[tier["id"]] = [keys[target], since, below, by]


def leave_tier(evaluation: Evaluation, tier: Mapping[str, Any]) -> None:
    """An undecided tier: all tags stay, except those that a roll-back takes back."""
    for key in tags_of(tier) & evaluation.tags:
        owner = evaluation.ownership.get(key, ["", ""])[1]
        if evaluation.is_revoked(key) and owner not in evaluation.before.excluded:
            evaluation.remove(key)
    if tier["id"] in evaluation.holds and evaluation.holds[tier["id"]][0] not in evaluation.tags:
        del evaluation.holds[tier["id"]]


def held_level(
    evaluation: Evaluation, tier: Mapping[str, Any], keys: list[str]
) -> tuple[int, int | None] | None:
    hold = evaluation.holds.get(tier["id"])
    owned = [
        key for key in keys if key in evaluation.ownership and evaluation.ownership[key][1] == tier["id"]
    ]
    present = hold and hold[0] in keys and hold[0] in evaluation.tags
    if hold and present and not (hold[0] in owned and evaluation.is_revoked(hold[0])):
        return keys.index(hold[0]), None if hold[3] in evaluation.rolled_back else hold[2]
    levels = [keys.index(key) for key in owned if not evaluation.is_revoked(key)]
    return (min(levels), None) if levels else None
