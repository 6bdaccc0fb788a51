"""The preview: what publishing rules would do to all customers, counted, with examples, before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from service.domain.evaluation import Compiled, CompiledRule, CompiledTier
from service.domain.outlook import Cell, Outlook
from service.domain.population import Population, rank
from service.domain.survey import Survey, survey
from service.domain.tags import fold

SAMPLES: Final = 20


class TagPreview(msgspec.Struct, frozen=True):
    """What happens to one tag. `samples`: 'added', 'removed', or why it stays -> customer ids, always the same."""

    tag: str
    rules: tuple[
        str, ...
    ]  # ids of the rules or the tier that set it; none for what no live rule sets any more
    added: int
    removed: int
    unchanged: int
    kept: int  # held by `keep`
    downgrade: int  # a lost level that waits for its day
    not_ours: int
    left: int
    excluded: int
    stopped: int  # undone by people three times within a day: not written for a day
    samples: dict[str, tuple[int, ...]]


class TierMove(msgspec.Struct, frozen=True):
    """How many customers go from a level to another; None is no level. `waits`: `downgrade` holds them yet."""

    source: str | None
    target: str | None
    customers: int
    waits: bool
    samples: tuple[int, ...]


class TierPreview(msgspec.Struct, frozen=True):
    """A tier's moves as a matrix; `stay`: how many stay on each level, from the top, and at the end on none."""

    id: str
    levels: tuple[str, ...]
    moves: tuple[TierMove, ...]
    stay: tuple[int, ...]


class Preview(msgspec.Struct, frozen=True):
    """What publishing would do. `adding` and `removing` count customers, `added` and `removed` tags."""

    customers: int
    touched: int
    adding: int
    removing: int
    added: int
    removed: int
    tags: tuple[TagPreview, ...]
    tiers: tuple[TierPreview, ...]
    matched: dict[str, int]  # rule id, or `tier id:level tag` -> customers who match


def preview(population: Population, compiled: Compiled, *, version: int = 0) -> Preview:
    """Look at everybody with these rules.

    The answer is what deciding for each customer alone would give.
    """
    seen = survey(population, compiled, version=version)
    adding, removing = _customers(seen.outlooks)
    tags = tuple(_tags(population, compiled, seen))
    return Preview(
        customers=len(population),
        touched=(adding | removing).bit_count(),
        adding=adding.bit_count(),
        removing=removing.bit_count(),
        added=sum(tag.added for tag in tags),
        removed=sum(tag.removed for tag in tags),
        tags=tags,
        tiers=tuple(_tiers(population, seen)),
        matched=_matched(seen),
    )


def touched(population: Population, compiled: Compiled, *, version: int = 0) -> list[int]:
    """The ids of the customers whose tags would change."""
    adding, removing = _customers(survey(population, compiled, version=version).outlooks)
    row = (adding | removing).to_bytes((len(population) >> 3) + 1, "little")
    return [one.id for place, one in enumerate(population.customers) if row[place >> 3] >> (place & 7) & 1]


def _customers(outlooks: Iterable[Outlook]) -> tuple[int, int]:
    """Who gets a tag and who loses one, as bit sets of places."""
    adding = removing = 0
    for one in outlooks:
        adding |= one.adding
        removing |= one.removing
    return adding, removing


def _tags(population: Population, compiled: Compiled, seen: Survey) -> Iterator[TagPreview]:
    makers: tuple[CompiledRule | CompiledTier, ...] = (*compiled.rules, *compiled.tiers)
    live = {fold(tag): tag for maker in makers for tag in maker.source.tags}
    for key, tag in {**_gone(population, seen, live.keys()), **live}.items():
        found = [outlook for outlook in seen.outlooks if key in outlook.keys]
        counts = {what: sum(len(one.cells.get((key, what), ())) for one in found) for what in _CELLS}
        yield TagPreview(
            tag=tag,
            rules=tuple(one for one, keys in compiled.live.items() if key in keys),
            unchanged=sum(one.unchanged.get(key, 0) for one in found),
            samples={what: _samples(population, found, (key, what)) for what in _CELLS if counts[what]},
            **counts,
        )


def _gone(population: Population, seen: Survey, live: Iterable[str]) -> dict[str, str]:
    """Tags that no live rule sets, but somebody has from us or gets back: folded -> as it was given."""
    known, found = frozenset(live), dict[str, str]()
    for (key, _), places in seen.apart.cells.items():
        stands = population.standings[places[0]]
        own = stands.owned.get(key) or stands.restores.get(key)
        if key not in known and own is not None:
            found[key] = own.tag
    return found


def _samples(population: Population, found: Sequence[Outlook], cell: Cell) -> tuple[int, ...]:
    """Examples of a cell, found once for each outlook: most of them are there still when a rule is edited."""
    some: list[int] = []
    for outlook in found:
        if cell not in outlook.samples:
            outlook.samples[cell] = population.examples(outlook.cells.get(cell, ()), most=SAMPLES)
        some += outlook.samples[cell]
    return tuple(sorted(some, key=rank)[:SAMPLES])


def _tiers(population: Population, seen: Survey) -> Iterator[TierPreview]:
    for step, outlook in seen.steps:
        if isinstance(step, CompiledTier):
            yield _tier(population, step, (outlook, seen.moves[step.id]))


def _tier(population: Population, tier: CompiledTier, found: Sequence[Outlook]) -> TierPreview:
    names = [*(level.tag for level in tier.levels), None]
    moves: dict[tuple[int, int, bool], list[int]] = {}
    for outlook in found:
        for move, places in outlook.moves.items():
            moves.setdefault(move, []).extend(places)
    return TierPreview(
        id=tier.id,
        levels=tuple(level.tag for level in tier.levels),
        moves=tuple(
            TierMove(
                names[source],
                names[target],
                len(places),
                waits,
                population.examples(places, most=SAMPLES),
            )
            for (source, target, waits), places in sorted(moves.items())
        ),
        stay=tuple(sum(one.stays.get(at, 0) for one in found) for at in range(len(names))),
    )


def _matched(seen: Survey) -> dict[str, int]:
    found: dict[str, int] = {}
    for step, outlook in seen.steps:
        prefix = f"{step.id}:" if isinstance(step, CompiledTier) else ""
        found.update({f"{prefix}{one}": count for one, count in outlook.matched.items()})
    return found


_CELLS: Final = ("added", "removed", "kept", "downgrade", "not_ours", "left", "excluded", "stopped")
