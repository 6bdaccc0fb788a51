"""Reads the witnesses' lines: was a write started that must not have been, and was nobody forgotten after a lost lock?

For every tag write that a worker began, its turn's script calls are looked at:
- a permit for this customer, asked for by this turn at most START_TIMEOUT_S before (the holder counts from the asking);
- no script of this turn had been answered `lease_lost` before.
A process that stood still (SIGSTOP) between its last look at the clock and the write could not know: its write is
forgiven when it began within AWAKE_S of the waking, and counted.
Where another turn had the shop's lock before the write was over, the customer must have been read again after it: a
`dequeue` that names it and was asked for later, which only a marked customer is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.chaos.children import Pause
from workers.drain.permits import START_TIMEOUT_S

AWAKE_S = 0.25
SLACK_S = 0.05


@dataclass(slots=True)
class Tenure:
    """One turn, as its worker saw it."""

    pid: int
    prefix: str = ""
    since: float | None = None  # the lock's script answered
    until: float = float("inf")  # the release was asked for
    lost: float = float("inf")  # first answer that said so
    permits: dict[int, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))


@dataclass(slots=True)
class Write:
    """One POST or DELETE of tags."""

    token: str
    customer: int
    begun: float
    over: float


@dataclass(slots=True)
class Ruling:
    """What the lines say."""

    writes: int = 0
    turns: int = 0
    overtaken: int = 0  # writes of a turn that had lost the lock before they were over
    unknowable: int = 0  # begun late, right after a standstill
    wrong: list[str] = field(default_factory=list)


class Lines:
    """The lines of all workers, sorted into turns, writes and readings."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.tenures: dict[str, Tenure] = {}
        self.writes: dict[tuple[str, str, float], Write] = {}
        self.reads: dict[tuple[str, int], list[float]] = defaultdict(list)
        decode = msgspec.json.Decoder(list[Any]).decode
        for path in files:
            with path.open("rb") as lines:
                for line in lines:
                    if line.endswith(b"]\n"):
                        self._line(*decode(line))
        for times in self.reads.values():
            times.sort()

    def _line(
        self, pid: int, kind: str, asked: float, answered: float, prefix: str, token: str, facts: list[Any]
    ) -> None:
        tenure = self.tenures.setdefault(token, Tenure(pid))
        match kind:
            case "begun":
                self._begun(token, facts, asked)
            case "over":
                if write := self.writes.get((token, f"{facts[0]} {facts[1]}", facts[2])):
                    write.over = asked
            case "lease_acquire" if facts == [True]:
                tenure.prefix, tenure.since = prefix, answered
            case "lease_release":
                tenure.until = asked
            case "dequeue" if facts and facts[0] == "ok":
                for customer in facts[1]:
                    self.reads[prefix, customer].append(asked)
            case "permit" if facts and facts[:2] == ["granted", "write"]:
                tenure.permits[facts[2]].append((asked, answered))
        if facts and facts[0] == "lease_lost":
            tenure.lost = min(tenure.lost, answered)

    def _begun(self, token: str, facts: Sequence[str], at: float) -> None:
        method, path = facts
        parts = path.split("/")
        if method != "GET" and parts[-1] == "tags.json":
            self.writes[token, f"{method} {path}", at] = Write(token, int(parts[-2]), at, float("inf"))


def rule(lines: Lines, pauses: Sequence[Pause]) -> Ruling:
    """Judge every write."""
    ruling = Ruling(
        writes=len(lines.writes), turns=sum(each.since is not None for each in lines.tenures.values())
    )
    holders: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for token, tenure in lines.tenures.items():
        if tenure.since is not None:
            holders[tenure.prefix].append((tenure.since, token))
    for each in holders.values():
        each.sort()
    for write in lines.writes.values():
        tenure = lines.tenures[write.token]
        _judge_start(write, tenure, pauses, ruling)
        if _overtaken(write, tenure, holders[tenure.prefix]):
            ruling.overtaken += 1
            _judge_after(write, tenure, lines, ruling)
    return ruling


def _judge_start(write: Write, tenure: Tenure, pauses: Sequence[Pause], ruling: Ruling) -> None:
    asked = [one for one, answered in tenure.permits[write.customer] if answered <= write.begun]
    if not asked:
        ruling.wrong.append(f"{write.customer} was written without a permit")
    elif tenure.lost < write.begun:
        ruling.wrong.append(f"{write.customer} was written after the turn knew that its lock was lost")
    elif write.begun - asked[-1] > START_TIMEOUT_S + SLACK_S:
        stood = any(
            each.pid == tenure.pid and asked[-1] <= each.until and 0 <= write.begun - each.until <= AWAKE_S
            for each in pauses
        )
        ruling.unknowable += stood
        if not stood:
            ruling.wrong.append(
                f"{write.customer} was written {write.begun - asked[-1]:.1f} s after its permit"
            )


def _overtaken(write: Write, tenure: Tenure, holders: Sequence[tuple[float, str]]) -> bool:
    """Had another turn taken the shop's lock, between this one's taking it and the end of the write?"""
    if tenure.since is None:
        return False
    at = bisect_right(holders, (tenure.since, "\uffff"))
    return at < len(holders) and holders[at][0] < write.over and write.over != float("inf")


def _judge_after(write: Write, tenure: Tenure, lines: Lines, ruling: Ruling) -> None:
    reads = lines.reads[tenure.prefix, write.customer]
    if bisect_right(reads, write.over) == len(reads):
        ruling.wrong.append(f"{write.customer} was not read again after a write without a lock")
