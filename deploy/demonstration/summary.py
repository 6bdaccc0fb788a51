"""The counts of a run: on the line of this moment, at its end, and the verdict on a fixed day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy.demonstration.follow import Tally, percentile
from deploy.demonstration.judge import Wrong
from deploy.demonstration.screen import Screen
from deploy.demonstration.stage import Stage

MOST_WRONG = 10


@dataclass(slots=True)
class Times:
    """Seconds from a happening to the first write that it led to: while everybody was looked at, and afterwards."""

    busy: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)


def footer(stage: Stage, tally: Tally, *, left: int) -> list[str]:
    """What is going on at this moment."""
    calls = stage.haravan.calls
    waiting = f"{left} customers waiting" if left else "all customers looked at"
    return [
        f" {waiting}",
        f"+{tally.added} −{tally.removed} tags",
        f"{calls.count()} API calls, bucket {stage.haravan.shop.bucket.header(stage.haravan.shop.clock())}",
        "Ctrl-C stops ",
    ]


def summary(screen: Screen, stage: Stage, tally: Tally, times: Times) -> None:
    """What the run came to."""
    calls, sent = stage.haravan.calls, stage.haravan.deliveries.log
    reads = sum(count for endpoint, count in calls.by_endpoint().items() if endpoint.startswith("GET"))
    screen.blank()
    screen.fact("Tags", f"{tally.added} added, {tally.removed} removed, on {len(tally.customers)} customers")
    screen.fact(
        "Webhooks",
        f"{sum(each.status == 200 for each in sent)} answered 200 of {len(sent)}; "
        f"{tally.echoes} were echoes of our own writes and cost no call",
    )
    screen.fact(
        "API calls",
        f"{calls.count()}: {reads} reads, {calls.count() - reads} writes; {calls.count(status=429)} too many (429)",
    )
    for name, seconds in (("at first:", times.busy), ("later:   ", times.idle)):
        if seconds:
            screen.fact("Webhook to tag", f"{name} {_spread(seconds)}")


def _spread(seconds: Sequence[float]) -> str:
    return f"half in {percentile(seconds, 0.5):.2f} s, 95 % in {percentile(seconds, 0.95):.2f} s, all in {max(seconds):.2f} s"


def verdict(screen: Screen, wrong: Sequence[Wrong], *, customers: int, came_to_rest: bool) -> int:
    """Say whether everybody's tags are right; the exit code."""
    screen.blank()
    if not came_to_rest:
        screen.verdict("Not everybody was looked at: nothing moves any more.", good=False)
    for each in wrong[:MOST_WRONG]:
        lacks = f"lacks {', '.join(each.lacking)}" if each.lacking else ""
        has = f"must not have {', '.join(each.too_many)}" if each.too_many else ""
        screen.verdict(f"customer {each.customer} {' and '.join(filter(None, (lacks, has)))}", good=False)
    if wrong:
        screen.verdict(f"{len(wrong)} of {customers} customers have wrong tags.", good=False)
    if wrong or not came_to_rest:
        return 1
    screen.verdict(f"The tags of all {customers} customers equal a from-scratch evaluation.", good=True)
    return 0
