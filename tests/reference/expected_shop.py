"""What the tags of a shop should be, from the specification alone.

The expected shop never calls the service. Whenever the service is idle, each customer is evaluated, and the tags are
those that a shop has that does as the specification says:

- Tags are a function of the record, the rules, ownership, holds, exclusions and the shop's day.
- We own a tag that we added, until we remove it or find it absent. We do not own a tag that a person added.
- When a rule leaves a version, its `when_gone` applies to its tags from then on.
- A roll-back undoes what the versions after its target did. It revokes what they added and the target would not have
  added. It restores, for one evaluation, what they removed first and no person has changed since.
- A deleted customer that is created again has its ownership and holds, but not its exclusions.
- In shadow mode nothing is written, so we own nothing new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tests.reference.conditions import Record, fold, local_day
from tests.reference.evaluator import Expected, State, decide, reads, rules_and_tiers, tags_of

BY_HAND = "by hand"  # the owner of a retracted tag; no id of a rule has a space
Doc = Mapping[str, Any]


@dataclass
class Ownership:
    """A tag that we own."""

    tag: str
    rule: str
    since_ms: int
    version: int


@dataclass
class UndoRecord:
    """The state of a tag when we removed it."""

    ownership: Ownership | None  # None: we did not own it
    holds: dict[str, list[Any]]
    restored_by: int = 0  # the version of the roll-back that restores it


@dataclass
class Change:
    """A change of one tag: `added`, `removed` or `retracted` by us under a version, or `by hand`."""

    kind: str
    key: str
    version: int = 0
    undo: UndoRecord | None = None


@dataclass
class ExpectedCustomer:
    """The expected state of one customer."""

    ownership: dict[str, Ownership] = field(default_factory=dict)
    # id -> [key, since, below since, observed by], days as ordinals
    holds: dict[str, list[Any]] = field(default_factory=dict)
    excluded: set[str] = field(default_factory=set)
    changes: list[Change] = field(default_factory=list)
    last_tags: set[str] | None = None  # after the last evaluation
    restores: dict[str, UndoRecord] = field(default_factory=dict)


@dataclass
class Inheritance:
    """What one version takes over from earlier versions."""

    orphan_policies: dict[str, str] = field(default_factory=lambda: {BY_HAND: "remove"})
    revoked: set[tuple[str, int]] = field(default_factory=set)  # (rule, version)
    rolled_back: set[int] = field(default_factory=set)  # versions


@dataclass
class ExpectedShop:
    """The expected state of one shop. Versions are numbered from 1."""

    docs: list[Doc] = field(default_factory=list)
    inheritances: list[Inheritance] = field(default_factory=list)
    customers: dict[int, ExpectedCustomer] = field(default_factory=dict)
    shadow: bool = False

    @property
    def version(self) -> int:
        return len(self.docs)

    @property
    def live(self) -> Doc:
        return self.docs[-1]

    def customer(self, customer_id: int) -> ExpectedCustomer:
        return self.customers.setdefault(customer_id, ExpectedCustomer())

    # what people do

    def publish(self, doc: Doc) -> None:
        inherited = self.inheritance if self.docs else Inheritance()
        before = rules_and_tiers(self.live) if self.docs else []
        policies = inherited.orphan_policies | {rule["id"]: rule.get("when_gone", "leave") for rule in before}
        staying = {rule["id"] for rule in rules_and_tiers(doc)}
        orphan_policies = {rule: policy for rule, policy in policies.items() if rule not in staying}
        self.inheritances.append(Inheritance(orphan_policies, inherited.revoked, inherited.rolled_back))
        self.docs.append(doc)

    def roll_back(self, to: int) -> None:
        """What was valid while the target was live is valid again."""
        restored, target = self.docs[to - 1], self.inheritances[to - 1]
        undone = set(range(to + 1, self.version + 1))
        revoked = {
            (rule, version) for version in undone for rule in changed_rules(self.docs[version - 1], restored)
        }
        self.publish(restored)
        self.inheritances[-1] = Inheritance(
            self.inheritance.orphan_policies | target.orphan_policies,
            target.revoked | revoked,
            target.rolled_back | undone,
        )
        for customer in self.customers.values():
            waiting = {key: undo for key, undo in customer.restores.items() if undo.restored_by not in undone}
            customer.restores = removals_by(undone, customer.changes, restored_by=self.version) | waiting

    @property
    def inheritance(self) -> Inheritance:
        return self.inheritances[-1]

    def setter(self, tag: str) -> str | None:
        """The id of the first live rule or tier that sets the tag."""
        return next(
            (rule["id"] for rule in live_rules(self.live) if fold(tag) in tags_of(rule)),
            None,
        )

    def adopt(self, tag: str, records: Mapping[int, Record], *, matching_only: bool, now_ms: int) -> None:
        """The first rule that sets the tag becomes the owner of all copies that we do not own."""
        rule, key = self.setter(tag), fold(tag)
        assert rule is not None
        for customer_id, record in records.items():
            customer = self.customer(customer_id)
            if key not in map(fold, record.tags) or key in customer.ownership:
                continue
            if not matching_only or key in self._decide(customer, record, now_ms)[0].wanted:
                customer.ownership[key] = Ownership(tag, rule, now_ms, self.version)

    def retract(self, tag: str) -> None:
        """All copies that we own are to be removed."""
        for customer in self.customers.values():
            if own := customer.ownership.get(fold(tag)):
                customer.ownership[fold(tag)] = Ownership(own.tag, BY_HAND, own.since_ms, 0)

    def delete(self, customer_id: int) -> None:
        """The customer was deleted. Ownership and holds stay, in case it is created again."""
        customer = self.customer(customer_id)
        self.customers[customer_id] = ExpectedCustomer(ownership=customer.ownership, holds=customer.holds)

    # what follows

    def evaluate(self, customer_id: int, record: Record, now_ms: int) -> set[str]:
        """Evaluate a customer and return the folded tags that it should have."""
        customer, present = self.customer(customer_id), {fold(tag) for tag in record.tags}
        changed = (customer.last_tags ^ present if customer.last_tags is not None else set()) | (
            customer.ownership.keys() - present
        )
        customer.changes += [Change("by hand", key) for key in sorted(changed)]
        expected, restored, before = self._decide(customer, record, now_ms)
        after = (present | restored.keys() | expected.add) - expected.remove
        if self.shadow and after != present:
            customer.ownership = {key: own for key, own in customer.ownership.items() if key in present}
            customer.last_tags = present
            return present
        self._record_changes(customer, present, after, before)
        customer.ownership = self._ownership_after(customer, expected, restored, present, now_ms)
        customer.holds, customer.last_tags, customer.restores = expected.state.holds, after, {}
        return after

    def _decide(
        self, customer: ExpectedCustomer, record: Record, now_ms: int
    ) -> tuple[Expected, Mapping[str, UndoRecord], State]:
        """Decide. Return also the restores that applied, and the state with them."""
        present = {fold(tag) for tag in record.tags}
        restored = {
            key: undo for key, undo in customer.restores.items() if self._applies(customer, key, present)
        }
        before = self._assume_restored(customer, restored)
        expected = decide(
            doc=self.live,
            customer=replace(record, tags=(*record.tags, *sorted(restored.keys() - present))),
            state=before,
            today=self.day(now_ms),
            version=self.version,
            orphan_policies=self.inheritance.orphan_policies,
            revoked=self.inheritance.revoked,
            rolled_back=self.inheritance.rolled_back,
        )
        return expected, restored, before

    def _applies(self, customer: ExpectedCustomer, key: str, present: set[str]) -> bool:
        """Whether a restore applies: no person added or removed the tag meanwhile, or excluded the customer."""
        undo = customer.restores[key]
        if undo.restored_by in self.inheritance.rolled_back or (
            undo.ownership and undo.ownership.rule in customer.excluded
        ):
            return False
        return (key in present) is (key in customer.ownership)

    def _assume_restored(self, customer: ExpectedCustomer, restored: Mapping[str, UndoRecord]) -> State:
        """The state as if these tags had stayed."""
        ownership, holds = dict(customer.ownership), dict(customer.holds)
        for key, undo in restored.items():
            ownership.pop(key, None)
            if undo.ownership:
                ownership[key] = undo.ownership
            holds |= undo.holds
        plain = {
            key: [own.tag, own.rule, self.day(own.since_ms).toordinal(), own.version]
            for key, own in ownership.items()
        }
        return State(plain, {rule: list(hold) for rule, hold in holds.items()}, set(customer.excluded))

    def _record_changes(
        self, customer: ExpectedCustomer, present: set[str], after: set[str], before: State
    ) -> None:
        customer.changes += [Change("added", key, self.version) for key in sorted(after - present)]
        for key in sorted(present - after):
            own = (
                customer.restores[key].ownership if key in customer.restores else customer.ownership.get(key)
            )
            undo = UndoRecord(own, {rule: hold for rule, hold in before.holds.items() if hold[0] == key})
            kind = "retracted" if own and own.rule == BY_HAND else "removed"
            customer.changes.append(Change(kind, key, self.version, undo))

    def day(self, now_ms: int) -> date:
        return local_day(now_ms, self.live["timezone"])

    def _ownership_after(
        self,
        customer: ExpectedCustomer,
        expected: Expected,
        restored: Mapping[str, UndoRecord],
        present: set[str],
        now_ms: int,
    ) -> dict[str, Ownership]:
        """The ownership after a decision. A tag that was present stays as old as it was, whichever rule owns it now."""
        live = {rule["id"] for rule in live_rules(self.live)}
        ownership: dict[str, Ownership] = {}
        for key, (tag, owner, _, version) in expected.state.ownership.items():
            is_restored = key in restored
            rule = self._responsible_rule(key, owner, expected.state.holds) if is_restored else owner
            since = customer.ownership[key].since_ms if key in present else now_ms
            ownership[key] = Ownership(
                tag, rule, since, self.version if is_restored and rule in live else version
            )
        return ownership

    def _responsible_rule(self, key: str, owner: str, holds: Mapping[str, list[Any]]) -> str:
        """The previous owner if it still sets the tag, else a rule that sets and holds the tag."""
        setters = [rule["id"] for rule in live_rules(self.live) if key in tags_of(rule)]
        holders = [rule for rule, hold in holds.items() if hold[0] == key and rule in setters]
        return owner if owner in setters or not holders else holders[0]


def removals_by(undone: set[int], changes: Sequence[Change], *, restored_by: int) -> dict[str, UndoRecord]:
    """What to restore: tags whose first change by an undone version is a removal, unless a person changed them since."""
    restores: dict[str, UndoRecord] = {}
    decided: set[str] = set()
    for change in changes:
        if change.kind in ("by hand", "retracted"):
            restores.pop(change.key, None)
        if change.version in undone and change.key not in decided:
            decided.add(change.key)
            if change.kind == "removed" and change.undo:
                restores[change.key] = UndoRecord(change.undo.ownership, change.undo.holds, restored_by)
    return restores


def live_rules(doc: Doc) -> list[Any]:
    return [rule for rule in rules_and_tiers(doc) if rule.get("enabled", True)]


def changed_rules(undone: Doc, restored: Doc) -> set[str]:
    """The rules whose additions are revoked: they differ from the restored version, or read tags of such rules."""
    now = {rule["id"]: rule for rule in rules_and_tiers(restored)}
    if undone["timezone"] != restored["timezone"]:
        return {rule["id"] for rule in rules_and_tiers(undone)}
    changed = {rule["id"] for rule in rules_and_tiers(undone) if grant(rule) != grant(now.get(rule["id"]))}
    while True:
        dependent = {
            rule["id"]
            for rule in rules_and_tiers(undone)
            for other in rules_and_tiers(undone)
            if other["id"] in changed and reads([rule], tags_of(other))
        }
        if dependent <= changed:
            return changed
        changed |= dependent


def grant(rule: Mapping[str, Any] | None) -> Any:
    """What a rule gives to which customers. `keep`, `owns` and `when_gone` do not matter here."""
    if rule is None:
        return None
    return [
        rule.get("enabled", True),
        [(level["tag"], level["when"]) for level in rule.get("levels", [rule])],
    ]
