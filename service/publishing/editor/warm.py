"""The warm population of a shop: loaded once in a process of the pool, and used for each keystroke until it is too old.

A load takes about two seconds for 100,000 customers, an edit some milliseconds: decision record 0027.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from service.context import Context
from service.domain.customers import OrgId
from service.domain.engine import CompiledRules
from service.domain.preview import WarmPopulation
from service.domain.rules import FIELDS, FieldType
from service.publishing.preview import load_population
from service.store.customers import PERSONAL_KEYS
from service.store.shops import Shop

MAX_SHOPS: Final = 2  # about 100 MB for each 100,000 customers
MIN_AGE_S: Final = 60.0
LOADS_PER_AGE: Final = 30  # a load may take this part of the time
MAX_VALUES: Final = 200


@dataclass(slots=True)
class WarmShop:
    """A shop in memory, and when it was loaded."""

    population: WarmPopulation
    loaded_ms: int
    expires_s: float  # of the monotonic clock
    values: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def values_of(self, name: str) -> Mapping[str, int]:
        """What customers have in a choice or as tags, the most frequent first, with the number of customers."""
        if name not in self.values:
            self.values[name] = dict(self._count(name).most_common(MAX_VALUES))
        return self.values[name]

    def _count(self, name: str) -> Counter[str]:
        customers = self.population.population.customers
        if FIELDS[name].type is FieldType.TAGS:
            return Counter(tag for customer in customers for tag in customer.tags)
        fact = FIELDS[name].fact_names[0]
        return Counter(str(value) for customer in customers if (value := getattr(customer, fact)) is not None)


_Key = tuple[OrgId, frozenset[str]]
_loaded: Final[dict[_Key, WarmShop]] = {}  # of this process; the one used last stands last


async def warm_shop(context: Context, shop: Shop, compiled: CompiledRules) -> WarmShop:
    """The customers of a shop, with the personal fields that these rules read. At most a minute old, or 30 loads."""
    key = (shop.org, compiled.required_keys & PERSONAL_KEYS)
    found = _loaded.pop(key, None)
    if found is None or time.monotonic() > found.expires_s:
        started_s, now_ms = time.monotonic(), await context.now_ms()
        population = await load_population(
            context.redis, shop.org, compiled, now_ms=now_ms, cipher=shop.cipher
        )
        warm = WarmPopulation.of(population, calendar=compiled.calendar, is_personal=bool(key[1]))
        took_s = time.monotonic() - started_s
        found = WarmShop(warm, now_ms, time.monotonic() + max(MIN_AGE_S, LOADS_PER_AGE * took_s))
    while len(_loaded) >= MAX_SHOPS:
        _loaded.pop(next(iter(_loaded)))
    _loaded[key] = found
    return found


def forget() -> None:
    """Forget every shop: for tests."""
    _loaded.clear()
