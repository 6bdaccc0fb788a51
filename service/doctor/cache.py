"""Diagnoses for pages: made in the CPU pool, kept for half a minute, and shared by everybody who looks at the shop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Final

from service.context import Context
from service.cpu_pool import CpuRunner
from service.doctor.diagnose import diagnose_service, diagnose_shop
from service.doctor.findings import Report, Severity
from service.domain.customers import OrgId
from service.domain.explain import Language
from service.errors import Overloaded
from service.locales import translator_for

TTL_S: Final = 30.0
MAX_CACHED: Final = 2_000  # shops in a language
# What is wrong with the service and concerns each of its shops. Other findings of the service may name other shops.
CONCERNS_SHOPS: Final = frozenset(
    {"workers_missing", "workers_stopped", "store_nearly_full", "store_not_durable", "clock_skew"}
)


@dataclass(frozen=True, slots=True)
class _Kept:
    state: Hashable
    expires_s: float
    report: asyncio.Future[Report]


@dataclass(slots=True)
class DoctorCache:
    """One for each web process. A page that polls costs a diagnosis every `TTL_S` seconds, however many people poll."""

    cpu: CpuRunner
    clock: Callable[[], float] = time.monotonic
    _kept: dict[tuple[OrgId, Language], _Kept] = field(default_factory=dict)

    async def diagnose(self, org: OrgId, language: Language, *, state: Hashable = None) -> Report | None:
        """What is wrong with a shop, and with the service as far as it concerns the shop.

        Another `state` than before makes a new diagnosis at once: what people change must show. None if too many
        evaluations are running. Raises NotFound.
        """
        key, now_s = (org, language), self.clock()
        kept = self._kept.get(key)
        if kept is None or kept.state != state or kept.expires_s < now_s or _has_failed(kept.report):
            if len(self._kept) >= MAX_CACHED:
                self._kept.pop(next(iter(self._kept)))
            report = asyncio.ensure_future(self.cpu.run(diagnose_for_page, org, language))
            kept = self._kept[key] = _Kept(state, now_s + TTL_S, report)
        try:
            return await asyncio.shield(kept.report)  # somebody who leaves must not end it for the others
        except Overloaded:
            return None


async def diagnose_for_page(context: Context, org: OrgId, language: Language) -> Report:
    """Diagnose a shop, in the CPU pool: it compiles the rules. The worst findings are first. Raises NotFound."""
    words = replace(translator_for(language), has_plain_times=True)
    service = await diagnose_service(context, words)
    shop = await diagnose_shop(context, org, words)
    concerning = [finding for finding in service.findings if finding.key in CONCERNS_SHOPS]
    rank = [*Severity]
    return Report(
        tuple(sorted([*concerning, *shop.findings], key=lambda finding: -rank.index(finding.severity)))
    )


def _has_failed(report: asyncio.Future[Report]) -> bool:
    return report.done() and (report.cancelled() or report.exception() is not None)
