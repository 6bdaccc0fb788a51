"""Checks the promises after a run: recorded deliveries, every customer's tags, writes, logs and processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.domain.customers import OrgId
from service.store.client import RedisClient
from service.store.history import deliveries
from service.store.queue import list_open
from tests.chaos.environment import Environment
from tests.chaos.lease_check import Traces, check_writes
from tests.chaos.load import ShopUnderLoad
from tests.chaos.rules import MANAGED, Oracle
from tests.support import canaries

MAX_NAMED = 10

# log lines that only a bug in our own code writes
BUGS = (
    '"outcome": "error"',
    '"detail": "bug"',
    '"event": "unhandled_exception"',
    '"event": "group_commit_error"',
)


@dataclass(slots=True)
class Verdict:
    """The result of a run, which is good when `wrong` is empty."""

    figures: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, kind: str, cases: list[str]) -> None:
        """Count the cases, and name the first of them."""
        self.figures[kind] = len(cases)
        self.wrong += [f"{kind}: {case}" for case in cases[:MAX_NAMED]]


async def check_promises(environment: Environment) -> Verdict:
    """Check everything, while the store still runs."""
    verdict = Verdict()
    await _check_deliveries(environment, verdict)
    verdict.figures["kills that left the append-only file incomplete"] = environment.store.repaired_logs
    _check_tags(environment, verdict)
    await _check_dead_letters(environment, verdict)
    _check_writes(environment, verdict)
    _check_logs(environment, verdict)
    deaths = [death for child in environment.children for death in child.deaths]
    verdict.add("processes that died", deaths + environment.store.deaths())
    if (watch := environment.store.generations) is not None:
        verdict.figures["generations read and confirmed"] = watch.confirmed
        verdict.add("generations that went back", watch.went_back)
    return verdict


async def _check_deliveries(environment: Environment, verdict: Verdict) -> None:
    sent = [shop.deliveries for shop in environment.shops]
    crowd, redis = environment.crowd, environment.store.redis
    of_crowd = sum(map(len, crowd.acknowledged.values()))
    verdict.figures["deliveries answered 200"] = sum(shop.acknowledged.total() for shop in sent) + of_crowd
    if of_crowd:
        verdict.figures["of those, of paused shops"] = of_crowd
    verdict.figures["deliveries answered otherwise"] = (
        sum(shop.refused.total() for shop in sent) + crowd.refused.total()
    )
    lost = await lost_deliveries(redis, environment.shops)
    for org, acknowledged in crowd.acknowledged.items():
        recorded = await count_recorded(redis, org)
        lost += [f"{org} {signature[:12]}" for signature in acknowledged if not recorded[signature]]
    verdict.add("acknowledged and lost", lost)


async def lost_deliveries(redis: RedisClient, shops: Sequence[ShopUnderLoad]) -> list[str]:
    """The acknowledgements without a recorded delivery. Each needs its own, or a repeat that is counted on it."""
    lost: list[str] = []
    for shop in shops:
        recorded = await count_recorded(redis, OrgId(shop.handle.org))
        acknowledged: Counter[str] = Counter()
        for (_, signature), count in shop.deliveries.acknowledged.items():
            acknowledged[signature] += count
        for signature, count in acknowledged.items():
            missing = count - recorded[signature]
            lost += [f"{shop.handle.org} {signature[:12]}"] * max(0, missing)
    return lost


async def count_recorded(redis: RedisClient, org: OrgId) -> Counter[str]:
    """The deliveries of a shop by signature, repeats included. A repeat may have come under another topic."""
    recorded: Counter[str] = Counter()
    before: str | None = None
    while True:
        page = await deliveries.list_deliveries(redis, org, before=before, limit=deliveries.MAX_PAGE)
        for delivery in page.deliveries:
            recorded[delivery.signature] += 1 + delivery.repeats
        before = page.before
        if before is None:
            return recorded


def _check_tags(environment: Environment, verdict: Verdict) -> None:
    verdict.figures["customers"] = sum(len(shop.ids) for shop in environment.shops)
    verdict.figures["customers deleted"] = sum(len(shop.deleted) for shop in environment.shops)
    verdict.add("wrong tags", wrong_tags(environment.shops))


def wrong_tags(shops: Sequence[ShopUnderLoad]) -> list[str]:
    """The customers that lack a tag of the rules or of staff, or have another one."""
    oracle = Oracle.build()
    return [error for shop in shops for customer in shop.ids for error in _tag_errors(shop, customer, oracle)]


def _tag_errors(shop: ShopUnderLoad, customer: int, oracle: Oracle) -> list[str]:
    tags = shop.handle.tags(customer)
    wanted = oracle.wanted(shop.handle.body(customer)) | shop.given_before[customer]
    name = f"{shop.handle.org} {customer}"
    errors = []
    if tags & MANAGED != wanted:
        missing, extra = sorted(wanted - tags), sorted((tags & MANAGED) - wanted)
        errors.append(f"{name} lacks {missing}, has {extra} too many")
    if tags - MANAGED != shop.by_hand[customer]:
        staff = sorted(shop.by_hand[customer])
        errors.append(f"{name} has {sorted(tags - MANAGED)} by hand, staff gave {staff}")
    return errors


async def _check_dead_letters(environment: Environment, verdict: Verdict) -> None:
    """No fault of a run is a reason for a dead letter that stays open."""
    unresolved: list[str] = []
    for shop in environment.shops:
        unresolved += [
            f"{shop.handle.org} {letter.customer} {letter.text}"
            for letter in await list_open(environment.store.redis, OrgId(shop.handle.org))
            if letter.customer not in shop.deleted
        ]
    verdict.add("dead letters", unresolved)


def _check_writes(environment: Environment, verdict: Verdict) -> None:
    pauses = [pause for child in environment.children for pause in child.pauses]
    report = check_writes(Traces(sorted(environment.folder.glob("*.trace"))), pauses)
    arrived = sum(
        number
        for shop in environment.shops
        for endpoint, number in shop.handle.calls.by_endpoint().items()
        if endpoint.endswith(" tags")
    )
    verdict.figures |= {
        "drain runs": report.drains,
        "tag writes started": report.writes,
        "tag writes that arrived": arrived,
        "writes that ended after the lease was lost": report.overtaken,
        "late writes right after a stop": report.excused,
    }
    untraced = arrived - report.writes
    unknown = [f"{untraced} writes arrived that no worker recorded"] if untraced > 0 else []
    verdict.add("forbidden writes", report.wrong + unknown)


def _check_logs(environment: Environment, verdict: Verdict) -> None:
    pids = [*(child.pid for child in environment.children), *environment.store.pids()]
    leaks = canaries.find_in_logs(environment.logs) + canaries.find_in_arguments(pids)
    verdict.add("secrets and personal data that leaked", leaks)
    verdict.add("bugs logged", _log_lines(environment, *BUGS))
    verdict.figures["exceptions that were never retrieved"] = len(_log_lines(environment, "never retrieved"))


def _log_lines(environment: Environment, *texts: str) -> list[str]:
    """The log lines that contain one of these texts."""
    matches: list[str] = []
    for path in environment.logs:
        with path.open(encoding="utf-8", errors="replace") as log:
            matches += [
                f"{path.name}: {line[:400].strip()}" for line in log if any(text in line for text in texts)
            ]
    return matches
