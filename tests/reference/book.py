"""What a shop's tags should be, kept by hand: every version, whose each tag is, what is held, who is left alone.

It never asks the product anything. It looks at everybody whenever things are quiet, and writes down what a
shop that does as the specification says would have done by then:

- Tags are a function of the record, the rules, what is ours, what is held, the exclusions and the shop's day.
- What we give is ours until we take it or find it gone; what a person put on is not.
- A rule that leaves a version says for the last time what becomes of its tags (`when_gone`).
- A roll-back undoes what the versions after its target did: what they gave otherwise than it would is a mistake,
  what they took first, and no person has touched since, is looked at once as if it had stayed.
- A deleted customer that comes back finds what was ours and held, not its exclusions.
- In shadow mode nothing is written, so nothing becomes ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tests.reference.matching import Person, fold, local_day
from tests.reference.naive import Kept, Outcome, decide, makers_of, reads, tags_of

RETRACTED = "by hand"  # no rule's id: rules' ids have no spaces
Doc = Mapping[str, Any]


@dataclass
class Own:
    """A tag that is ours: for which rule, given when, under which version."""

    tag: str
    rule: str
    since_ms: int
    version: int


@dataclass
class Stood:
    """How a tag stood when we took it: whose it was (None: not ours), and the holds on it. `by`: who puts it back."""

    own: Own | None
    holds: dict[str, list[Any]]
    by: int = 0


@dataclass
class Deed:
    """What was done to a tag: `gave`, `took`, `retracted` by us under a version, `touched` by somebody else."""

    what: str
    key: str
    version: int = 0
    stood: Stood | None = None


@dataclass
class Page:
    """What the book knows of one customer."""

    owned: dict[str, Own] = field(default_factory=dict)
    held: dict[str, list[Any]] = field(
        default_factory=dict
    )  # id -> [key, since, below, by], days as ordinals
    excluded: set[str] = field(default_factory=set)
    deeds: list[Deed] = field(default_factory=list)
    seen: set[str] | None = None  # the tags as we left them
    waiting: dict[str, Stood] = field(default_factory=dict)  # to be put back


@dataclass
class Past:
    """What one version inherits: last wishes of rules that left, gifts that were a mistake, undone versions."""

    gone: dict[str, str] = field(default_factory=lambda: {RETRACTED: "remove"})
    wrong: set[tuple[str, int]] = field(default_factory=set)
    undone: set[int] = field(default_factory=set)


@dataclass
class Book:
    """One shop's book. Customers are named by number; versions count from 1."""

    docs: list[Doc] = field(default_factory=list)
    pasts: list[Past] = field(default_factory=list)
    pages: dict[int, Page] = field(default_factory=dict)
    shadow: bool = False

    @property
    def version(self) -> int:
        return len(self.docs)

    @property
    def live(self) -> Doc:
        return self.docs[-1]

    def page(self, customer: int) -> Page:
        return self.pages.setdefault(customer, Page())

    # what people do

    def publish(self, doc: Doc) -> None:
        past = self.past if self.docs else Past()
        left = {one["id"]: one.get("when_gone", "leave") for one in makers_of(self.live)} if self.docs else {}
        staying = {one["id"] for one in makers_of(doc)}
        gone = {one: wish for one, wish in {**past.gone, **left}.items() if one not in staying}
        self.pasts.append(Past(gone, past.wrong, past.undone))
        self.docs.append(doc)

    def roll_back(self, to: int) -> None:
        """Whatever was legitimate when the target was live is so again."""
        restored, then = self.docs[to - 1], self.pasts[to - 1]
        undone = set(range(to + 1, self.version + 1))
        wrong = {(one, version) for version in undone for one in otherwise(self.docs[version - 1], restored)}
        self.publish(restored)
        self.pasts[-1] = Past({**self.past.gone, **then.gone}, then.wrong | wrong, then.undone | undone)
        for page in self.pages.values():
            still = {key: stood for key, stood in page.waiting.items() if stood.by not in undone}
            page.waiting = {**taken_by(undone, page.deeds, by=self.version), **still}

    @property
    def past(self) -> Past:
        return self.pasts[-1]

    def setter(self, tag: str) -> str | None:
        """The first live rule or tier that sets the tag."""
        return next(
            (one["id"] for one in live_makers(self.live) if fold(tag) in tags_of(one)),
            None,
        )

    def adopt(self, tag: str, people: Mapping[int, Person], *, matching_only: bool, now_ms: int) -> None:
        """Copies of a tag that nobody of us gave become those of the first rule that sets it."""
        rule, key = self.setter(tag), fold(tag)
        assert rule is not None
        for customer, person in people.items():
            if key not in map(fold, person.tags) or key in self.page(customer).owned:
                continue
            if not matching_only or key in self._decided(self.page(customer), person, now_ms)[0].wanted:
                self.page(customer).owned[key] = Own(tag, rule, now_ms, self.version)

    def retract(self, tag: str) -> None:
        """What is ours of it is to go, whoever gave it."""
        for page in self.pages.values():
            if own := page.owned.get(fold(tag)):
                page.owned[fold(tag)] = Own(own.tag, RETRACTED, own.since_ms, 0)

    def forget(self, customer: int) -> None:
        """The customer was deleted: what was ours and held is kept, for it may come back."""
        page = self.page(customer)
        self.pages[customer] = Page(owned=page.owned, held=page.held)

    # what follows

    def look(self, customer: int, person: Person, now_ms: int) -> set[str]:
        """The (folded) tags that this customer is to have, now that it is looked at."""
        page, present = self.page(customer), {fold(tag) for tag in person.tags}
        changed = (page.seen ^ present if page.seen is not None else set()) | (page.owned.keys() - present)
        page.deeds += [Deed("touched", key) for key in sorted(changed)]
        outcome, returning, before = self._decided(page, person, now_ms)
        after = (present | returning.keys() | outcome.add) - outcome.remove
        if self.shadow and after != present:
            page.owned = {key: own for key, own in page.owned.items() if key in present}
            page.seen = present
            return present
        self._remember(page, present, after, before)
        page.owned = self._owned_after(page, outcome, returning, present, now_ms)
        page.held, page.seen, page.waiting = outcome.kept.held, after, {}
        return after

    def _decided(self, page: Page, person: Person, now_ms: int) -> tuple[Outcome, Mapping[str, Stood], Kept]:
        """What follows from the rules, what was looked at as if it had stayed, and how things stood then."""
        present = {fold(tag) for tag in person.tags}
        returning = {key: stood for key, stood in page.waiting.items() if self.may_return(page, key, present)}
        before = self._as_if(page, returning)
        outcome = decide(
            doc=self.live,
            customer=replace(person, tags=(*person.tags, *sorted(returning.keys() - present))),
            kept=before,
            today=self.day(now_ms),
            version=self.version,
            gone=self.past.gone,
            undone=self.past.wrong,
            blind=self.past.undone,
        )
        return outcome, returning, before

    def may_return(self, page: Page, key: str, present: set[str]) -> bool:
        """Not where a person was meanwhile: put the tag on, took it off, or excluded the customer."""
        stood = page.waiting[key]
        if stood.by in self.past.undone or (stood.own and stood.own.rule in page.excluded):
            return False
        return (key in present) is (key in page.owned)

    def _as_if(self, page: Page, returning: Mapping[str, Stood]) -> Kept:
        """What is kept, as if these tags had stayed."""
        owned, held = dict(page.owned), dict(page.held)
        for key, stood in returning.items():
            owned.pop(key, None)
            if stood.own:
                owned[key] = stood.own
            held |= stood.holds
        plain = {
            key: [own.tag, own.rule, self.day(own.since_ms).toordinal(), own.version]
            for key, own in owned.items()
        }
        return Kept(plain, {one: list(hold) for one, hold in held.items()}, set(page.excluded))

    def _remember(self, page: Page, present: set[str], after: set[str], before: Kept) -> None:
        page.deeds += [Deed("gave", key, self.version) for key in sorted(after - present)]
        for key in sorted(present - after):
            own = page.waiting[key].own if key in page.waiting else page.owned.get(key)
            stood = Stood(own, {one: hold for one, hold in before.held.items() if hold[0] == key})
            what = "retracted" if own and own.rule == RETRACTED else "took"
            page.deeds.append(Deed(what, key, self.version, stood))

    def day(self, now_ms: int) -> date:
        return local_day(now_ms, self.live["timezone"])

    def _owned_after(
        self,
        page: Page,
        outcome: Outcome,
        returning: Mapping[str, Stood],
        present: set[str],
        now_ms: int,
    ) -> dict[str, Own]:
        """A tag that was there keeps the moment of its giving, even when another rule answers for it now."""
        live = {one["id"] for one in live_makers(self.live)}
        found: dict[str, Own] = {}
        for key, (tag, giver, _, under) in outcome.kept.owned.items():
            back = key in returning
            rule = self._answering(key, giver, outcome.kept.held) if back else giver
            since = page.owned[key].since_ms if key in present else now_ms
            found[key] = Own(tag, rule, since, self.version if back and rule in live else under)
        return found

    def _answering(self, key: str, rule: str, held: Mapping[str, list[Any]]) -> str:
        """As it was, if that rule sets the tag; else one that does and holds it."""
        setters = [one["id"] for one in live_makers(self.live) if key in tags_of(one)]
        holding = [one for one, hold in held.items() if hold[0] == key and one in setters]
        return rule if rule in setters or not holding else holding[0]


def taken_by(undone: set[int], deeds: Sequence[Deed], *, by: int) -> dict[str, Stood]:
    """The first deed of the undone versions on a tag decides; what a person touched since stays as it is."""
    found: dict[str, Stood] = {}
    decided: set[str] = set()
    for deed in deeds:
        if deed.what in ("touched", "retracted"):
            found.pop(deed.key, None)
        if deed.version in undone and deed.key not in decided:
            decided.add(deed.key)
            if deed.what == "took" and deed.stood:
                found[deed.key] = Stood(deed.stood.own, deed.stood.holds, by)
    return found


def live_makers(doc: Doc) -> list[Any]:
    return [one for one in makers_of(doc) if one.get("enabled", True)]


def otherwise(undone: Doc, restored: Doc) -> set[str]:
    """Whose gifts were a mistake: rules that are not the same in the restored version, or that read such ones' tags."""
    now = {one["id"]: one for one in makers_of(restored)}
    if undone["timezone"] != restored["timezone"]:
        return {one["id"] for one in makers_of(undone)}
    wrong = {one["id"] for one in makers_of(undone) if gift(one) != gift(now.get(one["id"]))}
    while True:
        near = {
            one["id"]
            for one in makers_of(undone)
            for other in makers_of(undone)
            if other["id"] in wrong and reads([one], tags_of(other))
        }
        if near <= wrong:
            return wrong
        wrong |= near


def gift(maker: Mapping[str, Any] | None) -> Any:
    """What a rule gives to whom; how long it keeps it and whose copies it takes is another matter."""
    if maker is None:
        return None
    return [
        maker.get("enabled", True),
        [(level["tag"], level["when"]) for level in maker.get("levels", [maker])],
    ]
