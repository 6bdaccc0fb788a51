"""The warm population of a shop: loaded once in a process of the pool, and used for each keystroke until it is too old.

A load takes about two seconds for 100,000 customers, an edit some milliseconds: decision record 0027.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from service.context import Context
from service.domain.customers import OrgId
from service.domain.engine import CompiledRules
from service.domain.preview import KnownValues, ValueCounts, WarmPopulation
from service.domain.rules import FIELDS, FieldType, RuleSet, iter_conditions
from service.publishing.preview import load_population
from service.store.customers import PERSONAL_KEYS
from service.store.shops import Shop

MAX_SHOPS: Final = 2  # about 100 MB for each 100,000 customers
MIN_AGE_S: Final = 60.0
LOADS_PER_AGE: Final = 30  # a load may take this part of the time


@dataclass(frozen=True, slots=True)
class RuleMatches:
    """The customers that a rule matches; of a tier those of each level, and last of none. `warnings` are texts."""

    counts: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class WarmShop:
    """A shop in memory, and when it was loaded."""

    population: WarmPopulation
    loaded_ms: int
    expires_s: float  # of the monotonic clock
    values: dict[str, KnownValues] = field(default_factory=dict)
    counted: dict[str, Counter[str]] = field(default_factory=dict)  # by fact
    matches: dict[bytes, RuleMatches] = field(default_factory=dict)  # by rule and what it depends on

    def values_of(self, name: str) -> KnownValues:
        """What customers have in a choice or as tags."""
        if name not in self.values:
            self.values[name] = KnownValues.of(self._count(FIELDS[name].fact_names[0]))
        return self.values[name]

    def counts_for(self, rule_set: RuleSet) -> ValueCounts:
        """What `count_values` returns, counted once for each field."""
        conditions = (
            condition
            for rule in rule_set.all
            for part in rule.expressions
            for condition in iter_conditions(part)
        )
        names = {each.field for each in conditions if FIELDS[each.field].type is FieldType.CHOICE}
        facts = sorted({fact for name in names for fact in FIELDS[name].fact_names})
        return {**{fact: self._count(fact) for fact in facts}, "tags": self._count("tags")}

    def _count(self, fact: str) -> Counter[str]:
        if fact not in self.counted:
            customers = self.population.population.customers
            self.counted[fact] = (
                Counter(tag for customer in customers for tag in customer.tags)
                if fact == "tags"
                else Counter(
                    str(value) for customer in customers if (value := getattr(customer, fact)) is not None
                )
            )
        return self.counted[fact]


_Key = tuple[OrgId, frozenset[str]]
_loaded: Final[dict[_Key, WarmShop]] = {}  # of this process; the one used last stands last


async def warm_shop(context: Context, shop: Shop, compiled: CompiledRules) -> WarmShop:
    """The customers of a shop, with at least the personal fields that these rules read.

    They are at most a minute old, or 30 times as old as their load took. With DEVELOPMENT=yes they are loaded each time.
    """
    key = (shop.org, compiled.required_keys & PERSONAL_KEYS)
    for known in [each for each in _loaded if time.monotonic() > _loaded[each].expires_s]:
        del _loaded[known]
    wider = next((each for each in _loaded if each[0] == shop.org and each[1] >= key[1]), key)
    found = _loaded.pop(wider, None)
    if found is not None:
        key = wider
    else:
        started_s, now_ms = time.monotonic(), await context.now_ms()
        population = await load_population(
            context.redis, shop.org, compiled, now_ms=now_ms, cipher=shop.cipher
        )
        warm = WarmPopulation.of(population, calendar=compiled.calendar, is_personal=bool(key[1]))
        took_s = time.monotonic() - started_s
        age_s = 0.0 if context.settings.is_development else max(MIN_AGE_S, LOADS_PER_AGE * took_s)
        found = WarmShop(warm, now_ms, time.monotonic() + age_s)
    while len(_loaded) >= MAX_SHOPS:
        _loaded.pop(next(iter(_loaded)))
    _loaded[key] = found
    return found


def forget() -> None:
    """Forget every shop: for tests."""
    _loaded.clear()
