"""The days on which rules may change customers' tags by themselves, for everybody at once."""

from __future__ import annotations

from service.domain.decision import decide
from service.domain.evaluation import Compiled
from service.domain.population import Population


def coming_days(population: Population, compiled: Compiled) -> list[tuple[int, int]]:
    """(customer id, day) for everybody whose tags may change by themselves under these rules.

    Holds have days of their own: who has one gets the whole decision.
    """
    facts, flips = population.facts(compiled), [flip for _, flip in compiled.flips]
    found: list[tuple[int, int]] = []
    for place, customer in enumerate(population.customers):
        if population.standings[place].held:
            day = _decided(population, compiled, place)
        else:
            day = min((on for flip in flips if (on := flip(facts[place])) is not None), default=None)
        if day is not None:
            found.append((customer.id, day))
    return found


def _decided(population: Population, compiled: Compiled, place: int) -> int | None:
    return decide(
        compiled=compiled,
        customer=population.customers[place],
        standing=population.standings[place],
        today=population.today,
        now_ms=population.now_ms,
        version=0,
    ).next_change
