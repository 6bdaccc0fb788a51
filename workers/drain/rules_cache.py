"""The compiled rules of each shop's live version, kept while it is live."""

from __future__ import annotations

from service.domain.customers import OrgId
from service.domain.engine import CompiledRules
from service.store.rules import Versions
from service.store.shops import Shop

MAX_CACHED: int = 2000  # shops; compiled rules are some hundred kilobytes at worst


class CompiledRulesCache:
    """Versions never change, so a compiled one is good for as long as its number is the live one."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._compiled: dict[OrgId, tuple[int, CompiledRules]] = {}

    async def get(self, shop: Shop, version: int) -> CompiledRules:
        """The rules of that version; a shop without one has no rules, and so no tags to give or take."""
        known = self._compiled.get(shop.org)
        if known is not None and known[0] == version:
            return known[1]
        compiled = await self._versions.compiled(
            shop.org, version, timezone=shop.timezone, currency=shop.currency
        )
        if len(self._compiled) >= MAX_CACHED:
            self._compiled.pop(next(iter(self._compiled)))
        self._compiled[shop.org] = (version, compiled)
        return compiled
