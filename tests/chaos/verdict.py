"""Judges a run after its end: the record of deliveries, every customer's tags, the writes, the logs, the processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis

from service.domain.customers.customer import OrgId
from service.store.history import deliveries
from service.store.queue import dead_letters
from tests.chaos import canaries
from tests.chaos.load import Shopful
from tests.chaos.locks import Lines, Ruling, rule
from tests.chaos.rules import MANAGED, Oracle
from tests.chaos.stage import Stage

MOST_NAMED = 10

# Log lines that only a bug in our own code writes.
BUGS = (
    '"outcome": "error"',
    '"detail": "bug"',
    '"event": "unhandled_exception"',
    '"event": "group_commit_error"',
)


@dataclass(slots=True)
class Verdict:
    """What was found; a run is good when `wrong` is empty."""

    figures: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def blame(self, what: str, cases: list[str]) -> None:
        """Note how many cases there are, and the first of them."""
        self.figures[what] = len(cases)
        self.wrong += [f"{what}: {each}" for each in cases[:MOST_NAMED]]


async def judged(stage: Stage) -> Verdict:
    """Judge everything that can be judged while the store still runs."""
    verdict = Verdict()
    await _record(stage, verdict)
    verdict.figures["kills that tore the store's log"] = stage.store.mended
    _tags(stage, verdict)
    await _letters(stage, verdict)
    _writes(stage, verdict)
    _logs(stage, verdict)
    verdict.blame("processes that died", [each for child in stage.children for each in child.died])
    return verdict


async def _record(stage: Stage, verdict: Verdict) -> None:
    verdict.figures["deliveries answered 200"] = sum(each.witness.answered.total() for each in stage.shops)
    verdict.figures["deliveries answered otherwise"] = sum(
        each.witness.refused.total() for each in stage.shops
    )
    verdict.blame("acknowledged and lost", await lost(stage.store.redis, stage.shops))


async def lost(redis: Redis, shops: Sequence[Shopful]) -> list[str]:
    """Every 200 must have an entry of its own in the record: as many for each topic and body, or more."""
    found: list[str] = []
    for shop in shops:
        kept = await recorded(redis, OrgId(shop.handle.org))
        for (topic, signature), times in shop.witness.answered.items():
            missing = times - kept[topic, signature]
            found += [f"{shop.handle.org} {topic} {signature[:12]}"] * max(0, missing)
    return found


async def recorded(redis: Redis, org: OrgId) -> Counter[tuple[str, str]]:
    """What the record has, by topic and signature."""
    kept: Counter[tuple[str, str]] = Counter()
    before: str | None = None
    while True:
        page = await deliveries.list_deliveries(redis, org, before=before, limit=deliveries.MAX_PAGE)
        kept.update((each.topic, each.signature) for each in page.deliveries)
        before = page.before
        if before is None:
            return kept


def _tags(stage: Stage, verdict: Verdict) -> None:
    verdict.figures["customers"] = sum(len(each.ids) for each in stage.shops)
    verdict.figures["customers deleted"] = sum(len(each.deleted) for each in stage.shops)
    verdict.blame("wrong tags", wrong_tags(stage.shops))


def wrong_tags(shops: Sequence[Shopful]) -> list[str]:
    """Every customer must have what the rules give to its record, and all that staff gave; nothing else."""
    oracle = Oracle.made()
    return [each for shop in shops for customer in shop.ids for each in _tags_of(shop, customer, oracle)]


def _tags_of(shop: Shopful, customer: int, oracle: Oracle) -> list[str]:
    found = shop.handle.tags(customer)
    wanted = oracle.wanted(shop.handle.body(customer)) | shop.earlier[customer]
    name = f"{shop.handle.org} {customer}"
    wrong = []
    if found & MANAGED != wanted:
        missing, more = sorted(wanted - found), sorted((found & MANAGED) - wanted)
        wrong.append(f"{name} misses {missing}, has {more} too many")
    if found - MANAGED != shop.by_hand[customer]:
        wrong.append(
            f"{name} has {sorted(found - MANAGED)} by hand, staff gave {sorted(shop.by_hand[customer])}"
        )
    return wrong


async def _letters(stage: Stage, verdict: Verdict) -> None:
    """A dead letter is a customer that somebody has to look at: after these faults there is no reason for one."""
    found: list[str] = []
    for shop in stage.shops:
        letters = await dead_letters.list_open(stage.store.redis, OrgId(shop.handle.org))
        found += [
            f"{shop.handle.org} {each.customer} {each.text}"
            for each in letters
            if each.customer not in shop.deleted
        ]
    verdict.blame("dead letters", found)


def _writes(stage: Stage, verdict: Verdict) -> None:
    pauses = [each for child in stage.children for each in child.pauses]
    ruling: Ruling = rule(Lines(sorted(stage.folder.glob("*.witness"))), pauses)
    seen = sum(
        number
        for shop in stage.shops
        for endpoint, number in shop.handle.calls.by_endpoint().items()
        if endpoint.endswith(" tags")
    )
    verdict.figures |= {
        "turns": ruling.turns,
        "tag writes begun": ruling.writes,
        "tag writes that arrived": seen,
        "of these over after the lock was lost": ruling.overtaken,
        "of these begun unknowing, after a standstill": ruling.unknowable,
    }
    unseen = [f"{seen - ruling.writes} writes arrived that no worker noted"] if seen > ruling.writes else []
    verdict.blame("writes that must not be", ruling.wrong + unseen)


def _logs(stage: Stage, verdict: Verdict) -> None:
    pids = [each.pid for each in stage.children]
    verdict.blame("secrets found", canaries.found_in_logs(stage.logs) + canaries.found_in_arguments(pids))
    verdict.blame("bugs logged", _lines(stage, *BUGS))
    verdict.figures["exceptions that nobody retrieved"] = len(_lines(stage, "never retrieved"))


def _lines(stage: Stage, *marks: str) -> list[str]:
    """The log lines that hold one of these."""
    found: list[str] = []
    for path in stage.logs:
        with path.open(encoding="utf-8", errors="replace") as log:
            found += [
                f"{path.name}: {line[:400].strip()}" for line in log if any(each in line for each in marks)
            ]
    return found
