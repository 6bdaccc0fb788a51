"""The health strip: the doctor's verdict on a shop, in one line on every page of the shop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from service.context import Context
from service.doctor import DoctorCache, Finding, Severity
from service.domain.customers import OrgId
from service.domain.explain import Language
from service.store import working_copies
from service.store.history import deliveries
from service.store.queue import load_backlogs
from service.store.shops import Shop
from service.store.working_copies import ApprovalRequest

Level = Literal["good", "warning", "problem", "paused", "frozen", "unknown"]
LEVELS: Final[dict[Severity, Level]] = {
    Severity.OK: "good",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "problem",
}
PAUSES: Final = frozenset(
    {"shop_paused", "shop_paused_token", "shop_uninstalled"}
)  # the strip says these itself


@dataclass(frozen=True, slots=True)
class Strip:
    """The state of a shop at one moment. `state` names its text, `page.strip.STATE`. `findings`: the worst first."""

    org: OrgId
    level: Level
    state: str
    findings: tuple[Finding, ...]
    last_webhook_ms: int
    backlog: int
    oldest_s: float
    api_used: int
    dead_letters: int
    version: int
    paused_by: str
    paused_since_ms: int
    pause_reason: str
    is_shadow: bool
    frozen_until: int  # the last day of a freeze, as ordinal; 0: no freeze has begun
    request: ApprovalRequest | None  # somebody waits for an approval

    @property
    def worst(self) -> str:
        """The text of the worst finding. "" if nothing is wrong."""
        return self.findings[0].text if self.findings else ""


async def load_strip(context: Context, doctor: DoctorCache, shop: Shop, language: Language) -> Strip:
    """Gather the state of a shop: four short reads, and the cached diagnosis."""
    [backlog] = await load_backlogs(context.redis, [shop.org])
    latest = (await deliveries.list_deliveries(context.redis, shop.org, limit=1)).deliveries
    version = await context.versions.live_number(shop.org)
    request = await working_copies.load_request(context.redis, shop.org)
    changed_by_people = (
        shop.paused,
        shop.removals_paused,
        shop.shadow,
        shop.first_look,
        shop.freeze,
        version,
        request,
    )
    report = await doctor.diagnose(shop.org, language, state=(*changed_by_people, backlog.dead_letters > 0))
    wrong = [finding for finding in report.findings if finding.severity is not Severity.OK] if report else []
    level: Level = LEVELS[report.verdict] if report else "unknown"
    is_frozen = shop.is_frozen(await context.now_ms())
    if shop.paused:
        level = "paused"
    elif level == "good" and is_frozen:
        level = "frozen"
    return Strip(
        org=shop.org,
        level=level,
        state="shadow" if level == "good" and shop.shadow else level,
        findings=tuple(finding for finding in wrong if finding.key not in PAUSES),
        last_webhook_ms=latest[0].at_ms if latest else 0,
        backlog=backlog.waiting,
        oldest_s=backlog.oldest_s,
        api_used=round(backlog.rate_limit_used),
        dead_letters=backlog.dead_letters,
        version=version,
        paused_by=shop.paused_by,
        paused_since_ms=shop.paused_since_ms,
        pause_reason=shop.paused,
        is_shadow=shop.shadow,
        request=request,
        frozen_until=shop.freeze.last_day if shop.freeze is not None and is_frozen else 0,
    )
