"""The log and the metrics of one drain: one line for each customer, and counts for the drain's own line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import structlog

from service.domain.customers import CustomerId
from service.store.jobs import Counters
from service.store.queue import Outcome, Settlement, ShopLease
from workers.drain.settlement import WRITTEN, cause_of

MAX_REJECTED_IDS: Final = 20
UPDATED: Final = "updated"
OUTCOME_OF_OP: Final = {
    "plan": "planned",
    "delay": "retry_scheduled",
    "requeue": "requeued",
    "dead_letter": "dead_lettered",
    "delete": "deleted",
}


class DrainLog:
    """Logs and counts the customers of one drain."""

    def __init__(self, lease: ShopLease, counters: Counters) -> None:
        self._lease = lease
        self._counters = counters
        self._log = structlog.get_logger()
        self.counts: Counter[str] = Counter()
        self.rejected_reads = RejectionStreak.load(lease.state, "read")
        self.rejected_writes = RejectionStreak.load(lease.state, "write")

    def log_settlement(self, settlement: Settlement, outcome: Outcome) -> None:
        """Log one customer. A planned write is only counted: its line follows when it is executed."""
        mark, letter = settlement.mark, settlement.dead_letter
        name = _outcome(settlement) if outcome == "done" else outcome
        self.counts[name] += 1
        if name == "planned":
            return
        self._counters.add("customers_processed", outcome=name)
        added, removed = (settlement.added, settlement.removed) if name == UPDATED else ((), ())
        if name == UPDATED:
            self.rejected_writes.reset()
            self._counters.add("tag_writes", len(added), action="added")
            self._counters.add("tag_writes", len(removed), action="removed")
            self._counters.observe("tag_latency_seconds", (self._lease.now_ms - mark.enqueued_ms) / 1000)
        write_line = self._log.info
        if letter is not None:
            write_line = self._log.error if letter.cause == "bug" else self._log.warning
        write_line(
            "customer",
            org=self._lease.org,
            customer=mark.customer,
            outcome=name,
            cause=cause_of(mark),
            added=list(added) or None,
            removed=list(removed) or None,
            attempts=mark.attempts or None,
            queued_ms=max(0, self._lease.now_ms - mark.enqueued_ms),
            detail=_detail(settlement),
            lane=mark.lane,
        )

    def count_denied(self, reasons: Iterable[str]) -> None:
        """Count planned writes that were denied. Their customers are read again."""
        for reason in reasons:
            self.counts[reason] += 1
            self._counters.add("customers_processed", outcome=reason)

    def state_changes(self) -> dict[str, str]:
        """The changed fields of the shop's state."""
        return {**self.rejected_reads.fields("read"), **self.rejected_writes.fields("write")}


@dataclass(slots=True)
class RejectionStreak:
    """The customers in a row for whom Haravan has rejected calls with the same text. One customer counts once."""

    text: str = ""
    customers: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, state: Mapping[str, str], kind: str) -> Self:
        """The streak of an earlier drain."""
        customers = state.get(f"{kind}_rejected_ids", "")
        return cls(state.get(f"{kind}_rejection", ""), customers.split(",") if customers else [])

    def count(self, text: str, customer: CustomerId) -> int:
        """How many customers the streak has with this rejection. Another text starts a new streak."""
        if text != self.text:
            self.text, self.customers = text, []
        if str(customer) not in self.customers:
            self.customers = [*self.customers, str(customer)][-MAX_REJECTED_IDS:]
        return len(self.customers)

    def has(self, text: str, *, customers: int) -> bool:
        """Whether at least so many customers got this rejection."""
        return text == self.text and len(self.customers) >= customers

    def reset(self) -> None:
        """A call was successful."""
        self.text, self.customers = "", []

    def fields(self, kind: str) -> dict[str, str]:
        """The fields of the shop's state. An empty text removes a field."""
        return {f"{kind}_rejection": self.text, f"{kind}_rejected_ids": ",".join(self.customers)}


def _detail(settlement: Settlement) -> str | None:
    """Why the customer was settled like this. The note comes first, because a letter may have Haravan's own text."""
    letter = settlement.dead_letter
    if letter is not None and (settlement.op == "complete" or not settlement.note):
        return letter.text
    return settlement.note or None


def _outcome(settlement: Settlement) -> str:
    if settlement.op == "complete":
        return UPDATED if settlement.note == WRITTEN else "unchanged"
    return OUTCOME_OF_OP[settlement.op]
