"""One customer's decision under way: what is settled so far, and what it came from."""

from __future__ import annotations

from typing import Literal

from service.domain.answering import answering, inputs_for
from service.domain.customers import Customer
from service.domain.evaluation import Compiled
from service.domain.facts import Facts
from service.domain.reasons import HeldBack, Inputs, Reason, Why, WhyHeld, values_of
from service.domain.rules import FOREVER
from service.domain.standing import Hold, Owned, Standing, Stood
from service.domain.tags import fold

Claim = Literal["live", "gone_leave", "gone_remove", "taken_back", "excluded", "none"]


class Turn:
    """The state of one decision; it lives only inside `decide`, which alone may see it change."""

    __slots__ = (
        "_before",
        "_customer",
        "_owned_at_first",
        "_tags_at_first",
        "added",
        "compiled",
        "dormant",
        "due",
        "excluded",
        "facts",
        "held",
        "held_back",
        "levels",
        "now_ms",
        "owned",
        "reasons",
        "removed",
        "returning",
        "today",
        "version",
        "wanted",
    )

    def __init__(
        self,
        *,
        compiled: Compiled,
        customer: Customer,
        standing: Standing,
        facts: Facts,
        now_ms: int,
        version: int,
    ) -> None:
        self.compiled = compiled
        self.facts = facts
        self.today = facts.day.ordinal
        self.now_ms = now_ms
        self.version = version
        self.excluded = standing.excluded
        # Ownership ends when the tag is found gone from the record.
        self.owned: dict[str, Owned] = {key: own for key, own in standing.owned.items() if key in facts.tags}
        self.held: dict[str, Hold] = {
            one: hold for one, hold in standing.held.items() if one not in compiled.idle
        }
        # Holds of rules and tiers that hold nothing now: while their tag stays, so does the day of its giving.
        self.dormant: dict[str, Hold] = {
            one: hold for one, hold in standing.held.items() if one in compiled.idle
        }
        self.wanted: list[str] = []  # by rules
        self.levels: list[str] = []  # by tiers
        self.added: dict[str, str] = {}  # folded key -> spelling
        self.removed: set[str] = set()
        self.reasons: list[Reason] = []
        self.held_back: list[HeldBack] = []
        self.due: list[int] = []
        self.returning: dict[str, Stood] = {}  # looked at as if it had stayed; folded key -> how it stood
        self._customer = customer
        self._before = standing
        for key, stood in standing.restores.items():
            if self._may_return(key, stood):
                self._return(key, stood)
        self._tags_at_first = self.facts.tags
        self._owned_at_first = {**standing.owned, **self.owned}

    def give(self, *, tag: str, key: str, rule: str, why: Why, inputs: Inputs) -> None:
        """Add a tag; it will be ours."""
        self._note(tag=tag, added=True, rule=rule, why=why, inputs=inputs)
        self.added[key] = tag
        self.owned[key] = Owned(tag, rule, self.now_ms, self.version)
        self.facts.tags = self.facts.tags | {key}

    def take(self, *, key: str, rule: str, why: Why, inputs: Inputs) -> None:
        """Remove a tag; it is no longer ours. One that was to be put back stays away."""
        if key not in self.returning or self._recorded(key):
            self._note(tag=self.spelling(key), added=False, rule=rule, why=why, inputs=inputs)
            self.removed.add(key)
        self.returning.pop(key, None)
        self.owned.pop(key, None)
        self.facts.tags = self.facts.tags - {key}

    def put_back(self) -> None:
        """Whatever was looked at as if it had stayed, and did: it is written, and answered for by a live rule."""
        for key, stood in self.returning.items():
            own = self.owned.get(key)
            if own is not None:
                there = (
                    self._before.owned[key] if self._recorded(key) else Owned(own.tag, own.rule, self.now_ms)
                )
                rule = answering(self.compiled, self.held, key, own)
                version = self.version if rule in self.compiled.live else own.version
                own = self.owned[key] = Owned(own.tag, rule, there.since_ms, version, there.adopted)
            if not self._recorded(key):
                rule = own.rule if own is not None else ""
                self._note(
                    tag=stood.tag,
                    added=True,
                    rule=rule,
                    why="restored",
                    inputs=inputs_for(self.compiled, key, rule),
                )
                self.added[key] = stood.tag

    def leave(self, *, key: str, rule: str, why: WhyHeld, until: int | None = None) -> None:
        """Say why a tag that nobody gives now stays; a day on which that ends is a day to look again."""
        self.held_back.append(HeldBack(self.spelling(key), rule, why, until))
        if until is not None:
            self.due.append(until)

    def spelling(self, key: str) -> str:
        """The record's own spelling of a tag, or ours if we have just added it."""
        ours = self.returning[key].tag if key in self.returning else self.added.get(key, key)
        return next((tag for tag in self._customer.tags if fold(tag) == key), ours)

    def withhold(self, *, tag: str, rule: str) -> None:
        """Say that an exclusion keeps a tag from being given."""
        self.held_back.append(HeldBack(tag, rule, "excluded"))

    def owner_at_first(self, key: str) -> Owned | None:
        """Whose a tag was before this decision, if it was there."""
        return self._owned_at_first.get(key) if key in self._tags_at_first else None

    def claim(self, key: str, live: frozenset[str]) -> Claim:
        """Whose a tag is, seen from those who set it now (`live`: their ids)."""
        own = self.owned.get(key)
        if own is None:
            return "none"
        if own.rule in self.excluded:
            return "excluded"
        if (own.rule, own.version) in self.compiled.take_back:
            return "taken_back"
        if own.rule in live:
            return "live"
        return "gone_remove" if self.compiled.when_gone.get(own.rule) == "remove" else "gone_leave"

    def all_held(self) -> dict[str, Hold]:
        """The holds as they are to be kept, the dormant ones too."""
        there = {one: hold for one, hold in self.dormant.items() if hold.tag in self.facts.tags}
        return {one: Hold(hold.tag, hold.since) for one, hold in there.items()} | self.held

    def in_force(self, hold: Hold, days: int) -> bool:
        """Whether a hold of so many days (or FOREVER) still stands today."""
        return days == FOREVER or self.today < hold.since + days

    def _note(self, *, tag: str, added: bool, rule: str, why: Why, inputs: Inputs) -> None:
        values = values_of(inputs, facts=self.facts, customer=self._customer)
        stood = None if added else self._stood(tag)
        self.reasons.append(Reason(tag, added, rule, why, values, stood))

    def _stood(self, tag: str) -> Stood:
        key = fold(tag)
        holds = {one: hold for one, hold in self._before.held.items() if hold.tag == key}
        holds |= self.returning[key].holds if key in self.returning else {}
        return Stood(tag, self._owned_at_first.get(key), holds)

    def _recorded(self, key: str) -> bool:
        return any(fold(tag) == key for tag in self._customer.tags)

    def _may_return(self, key: str, stood: Stood) -> bool:
        """Not where a person was meanwhile: put the tag on, took it off, or excluded the customer."""
        if stood.by in self.compiled.undone or (stood.own is not None and stood.own.rule in self.excluded):
            return False
        return (key in self.facts.tags) is (key in self._before.owned)

    def _return(self, key: str, stood: Stood) -> None:
        self.returning[key] = stood
        self.facts.tags = self.facts.tags | {key}
        if stood.own is None:
            self.owned.pop(key, None)
        else:
            self.owned[key] = stood.own
        for one, hold in stood.holds.items():
            (self.dormant if one in self.compiled.idle else self.held)[one] = hold
