"""Looking at everybody with some rules, step by step; what was looked at before is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from service.domain.apart import look_at_apart, stands_apart
from service.domain.evaluation import Compiled, CompiledRule, CompiledTier, Step, TagStep
from service.domain.outlook import Outlook, Scene
from service.domain.population import Population
from service.domain.tag_outlook import look_at_tag
from service.domain.tier_outlook import look_at_tier


@dataclass(frozen=True, slots=True)
class Survey:
    """What each step does, what happens to the customers who stand apart, and how those move in each tier."""

    steps: tuple[tuple[Step, Outlook], ...]
    apart: Outlook
    moves: Mapping[str, Outlook]  # by tier id

    @property
    def outlooks(self) -> tuple[Outlook, ...]:
        """All that adds and removes tags."""
        return (*(outlook for _, outlook in self.steps), self.apart)


def survey(population: Population, compiled: Compiled, *, version: int) -> Survey:
    """Look at everybody; only what differs from what the population remembers is looked at again."""
    scene = Scene(
        compiled=compiled,
        customers=population.customers,
        standings=population.standings,
        facts=population.facts(compiled),
        now_ms=population.now_ms,
        version=version,
        apart=_apart(population, compiled),
        stopped=population.stopped,
    )
    done: dict[str, Outlook] = {}
    steps: list[tuple[Step, Outlook]] = []
    for step in compiled.steps:
        key = _signature(population, scene, step)
        outlook = population.recall(key, Outlook)
        if outlook is None:
            needed = {id(done[one]): done[one] for one in step.depends_on if one in done}
            with _tags_moved_on(scene, needed.values()):
                found = look_at_tag(scene, step) if isinstance(step, TagStep) else look_at_tier(scene, step)
            outlook = population.remember(key, found.close(len(population)))
        done.update(dict.fromkeys(step.rule_ids, outlook))
        steps.append((step, outlook))
    apart, moves = look_at_apart(scene, today=population.today)
    return Survey(tuple(steps), apart.close(len(population)), moves)


def _apart(population: Population, compiled: Compiled) -> frozenset[int]:
    """Who stands apart; it depends only on which rule sets which tag."""
    key = ("apart", compiled.sets, tuple(sorted((one, *sorted(tags)) for one, tags in compiled.live.items())))
    known = population.recall(key, frozenset)
    if known is not None:
        return known
    test = stands_apart(compiled)
    found = frozenset(place for place, standing in enumerate(population.standings) if test(standing))
    return population.remember(key, found.union(population.stopped))


def _signature(population: Population, scene: Scene, step: Step) -> object:
    """All that a step's outcome depends on, besides the population."""
    compiled = scene.compiled
    makers: tuple[CompiledRule | CompiledTier, ...] = (*compiled.rules, *compiled.tiers)
    sources = {one.id: one.source for one in makers}
    wishes = tuple(sorted((one, compiled.when_gone.get(one)) for one in population.owners))
    back = tuple(sorted(compiled.take_back))
    needed = tuple(sources[one] for one in sorted(step.depends_on) if one in sources)
    mine = tuple(rule.source for rule in step.rules) if isinstance(step, TagStep) else (step.source,)
    return compiled.rule_set.currency, mine, needed, wishes, back, scene.apart


@contextmanager
def _tags_moved_on(scene: Scene, before: Iterable[Outlook]) -> Iterator[None]:
    """The facts as they are once earlier steps are decided; afterwards they are the record's again."""
    at_first: dict[int, frozenset[str]] = {}
    for outlook in before:
        for (key, what), places in outlook.cells.items():
            if what not in {"added", "removed"}:
                continue
            for place in places:
                facts = scene.facts[place]
                at_first.setdefault(place, facts.tags)
                facts.tags = facts.tags | {key} if what == "added" else facts.tags - {key}
    try:
        yield
    finally:
        for place, tags in at_first.items():
            scene.facts[place].tags = tags
