"""What rules do by themselves to everybody at once: on which days tags may change, and what is to be remembered."""

from __future__ import annotations

from service.domain.decision import Decision
from service.domain.evaluation import Compiled
from service.domain.population import Population
from service.domain.rollback import decide_with_restores


def coming_days(population: Population, compiled: Compiled) -> list[tuple[int, int]]:
    """(customer id, day) for everybody whose tags may change by themselves under these rules.

    Holds have days of their own: who has one gets the whole decision.
    """
    facts, flip = population.facts(compiled), compiled.flip
    found: list[tuple[int, int]] = []
    for place, customer in enumerate(population.customers):
        if population.standings[place].held:
            day = _decided(population, compiled, place).next_change
        else:
            day = flip(facts[place]) if flip is not None else None
        if day is not None:
            found.append((customer.id, day))
    return found


def standing_otherwise(population: Population, compiled: Compiled, *, version: int = 0) -> list[int]:
    """The ids of customers about whom something else is to be kept under these rules, whether or not a tag changes:
    another rule answers for a tag of ours now, a level is lost and `downgrade` begins to count, a hold begins or ends.

    If nobody looked at them, what becomes of their tags would depend on when somebody does.
    """
    facts, holding = population.facts(compiled), _held_by_anyone(compiled)
    found: list[int] = []
    for place, customer in enumerate(population.customers):
        before = population.standings[place]
        if before.restores or not (before.owned or before.held or holding & facts[place].tags):
            continue  # what is to be put back has its own marks
        if _decided(population, compiled, place, version).standing is not before:
            found.append(customer.id)
    return found


def _held_by_anyone(compiled: Compiled) -> frozenset[str]:
    """The folded tags on which a hold begins even where a person put them on."""
    kept = {rule.key for rule in compiled.rules if rule.keep_days and rule.owns_all}
    return frozenset(kept).union(*(tier.keys for tier in compiled.tiers if tier.downgrade_days))


def _decided(population: Population, compiled: Compiled, place: int, version: int = 0) -> Decision:
    return decide_with_restores(
        compiled=compiled,
        customer=population.customers[place],
        standing=population.standings[place],
        today=population.today,
        now_ms=population.now_ms,
        version=version,
    )
