"""Reads the workers' traces: was a forbidden write started, and was every overtaken customer read again?

The traces have every tag write that a worker started, and the script calls of its drain run. A write needs:
- a permit for this customer that this run requested at most START_TIMEOUT_S before;
- no answer `lease_lost` to this run before.
A process that was stopped (SIGSTOP) between its last look at the clock and the write could not know. Its write is
excused, and counted, if it started within WAKE_S after the process went on.
If another run acquired the shop's lease before the write ended, the customer must have been read again: a later
`dequeue` names it. Only marked customers are dequeued.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.chaos.processes import Pause
from workers.drain.permits import START_TIMEOUT_S

WAKE_S = 0.25
SLACK_S = 0.05


@dataclass(slots=True)
class DrainTrace:
    """One drain run as its worker saw it. Times are seconds of the machine's monotonic clock."""

    pid: int
    prefix: str = ""  # of the shop's keys
    acquired_s: float | None = None  # the lease
    released_s: float = float("inf")
    lease_lost_s: float = float("inf")  # the first answer `lease_lost`
    permits: dict[int, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """For each customer when a permit was requested and when it was granted."""


@dataclass(slots=True)
class Write:
    """One POST or DELETE of tags."""

    token: str  # of the drain run
    customer: int
    started_s: float
    ended_s: float


@dataclass(slots=True)
class WriteReport:
    """The result of the check."""

    writes: int = 0
    drains: int = 0
    overtaken: int = 0  # writes that ended after their run had lost the lease
    excused: int = 0  # late writes right after a stop
    wrong: list[str] = field(default_factory=list)


class Traces:
    """The traces of all workers, sorted into drain runs, writes and reads."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.drains: dict[str, DrainTrace] = {}
        self.writes: dict[tuple[str, str, float], Write] = {}
        self.reads: dict[tuple[str, int], list[float]] = defaultdict(list)
        decode = msgspec.json.Decoder(list[Any]).decode
        for path in files:
            with path.open("rb") as lines:
                for line in lines:
                    if line.endswith(b"]\n"):
                        self._add(*decode(line))
        for times in self.reads.values():
            times.sort()

    def _add(
        self,
        pid: int,
        kind: str,
        requested_s: float,
        answered_s: float,
        prefix: str,
        token: str,
        facts: list[Any],
    ) -> None:
        drain = self.drains.setdefault(token, DrainTrace(pid))
        match kind:
            case "started":
                self._add_write(token, facts, requested_s)
            case "ended":
                if write := self.writes.get((token, f"{facts[0]} {facts[1]}", facts[2])):
                    write.ended_s = requested_s
            case "lease_acquire" if facts == [True]:
                drain.prefix, drain.acquired_s = prefix, answered_s
            case "lease_release":
                drain.released_s = requested_s
            case "dequeue" if facts and facts[0] == "ok":
                for customer in facts[1]:
                    self.reads[prefix, customer].append(requested_s)
            case "permit" if facts and facts[:2] == ["granted", "write"]:
                drain.permits[facts[2]].append((requested_s, answered_s))
        if facts and facts[0] == "lease_lost":
            drain.lease_lost_s = min(drain.lease_lost_s, answered_s)

    def _add_write(self, token: str, facts: Sequence[str], started_s: float) -> None:
        method, path = facts
        parts = path.split("/")
        if method != "GET" and parts[-1] == "tags.json":
            write = Write(token, int(parts[-2]), started_s, float("inf"))
            self.writes[token, f"{method} {path}", started_s] = write


def check_writes(traces: Traces, pauses: Sequence[Pause]) -> WriteReport:
    """Check every write."""
    drains = sum(drain.acquired_s is not None for drain in traces.drains.values())
    report = WriteReport(writes=len(traces.writes), drains=drains)
    holders: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for token, drain in traces.drains.items():
        if drain.acquired_s is not None:
            holders[drain.prefix].append((drain.acquired_s, token))
    for acquisitions in holders.values():
        acquisitions.sort()
    for write in traces.writes.values():
        drain = traces.drains[write.token]
        _check_start(write, drain, pauses, report)
        if _is_overtaken(write, drain, holders[drain.prefix]):
            report.overtaken += 1
            _check_reread(write, drain, traces, report)
    return report


def _check_start(write: Write, drain: DrainTrace, pauses: Sequence[Pause], report: WriteReport) -> None:
    permits = [
        requested_s
        for requested_s, granted_s in drain.permits[write.customer]
        if granted_s <= write.started_s
    ]
    if not permits:
        report.wrong.append(f"{write.customer} was written without a permit")
    elif drain.lease_lost_s < write.started_s:
        report.wrong.append(f"{write.customer} was written after the run knew that its lease was lost")
    elif (age_s := write.started_s - permits[-1]) > START_TIMEOUT_S + SLACK_S:
        was_stopped = any(
            pause.pid == drain.pid
            and permits[-1] <= pause.ended_s
            and 0 <= write.started_s - pause.ended_s <= WAKE_S
            for pause in pauses
        )
        report.excused += was_stopped
        if not was_stopped:
            report.wrong.append(f"{write.customer} was written {age_s:.1f} s after its permit")


def _is_overtaken(write: Write, drain: DrainTrace, holders: Sequence[tuple[float, str]]) -> bool:
    """Whether another run acquired the shop's lease between this run's acquisition and the end of the write."""
    if drain.acquired_s is None:
        return False
    at = bisect_right(holders, (drain.acquired_s, "\uffff"))
    return at < len(holders) and holders[at][0] < write.ended_s and write.ended_s != float("inf")


def _check_reread(write: Write, drain: DrainTrace, traces: Traces, report: WriteReport) -> None:
    reads = traces.reads[drain.prefix, write.customer]
    if bisect_right(reads, write.ended_s) == len(reads):
        report.wrong.append(f"{write.customer} was not read again after a write without a lease")
