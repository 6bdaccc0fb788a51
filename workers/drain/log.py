"""The log and the metrics of one drain: one line for each customer, and counts for the drain's own line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

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
        self._rejection = lease.state.get("last_rejection", "")
        self._rejected_ids = [cid for cid in lease.state.get("last_rejected_ids", "").split(",") if cid]

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
            self._rejected_ids = []
            self._counters.add("tag_writes", len(added), action="added")
            self._counters.add("tag_writes", len(removed), action="removed")
            self._counters.observe("tag_latency_seconds", (self._lease.now_ms - mark.enqueued_ms) / 1000)
        write_line = self._log.warning if letter is not None else self._log.info
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
            detail=(letter.text if letter is not None else settlement.note) or None,
            lane=mark.lane,
        )

    def count_denied(self, reasons: Iterable[str]) -> None:
        """Count planned writes that were denied. Their customers are read again."""
        for reason in reasons:
            self.counts[reason] += 1
            self._counters.add("customers_processed", outcome=reason)

    def count_rejection(self, text: str, customer: CustomerId) -> int:
        """How many customers Haravan has rejected with this text since the last successful write."""
        if text != self._rejection:
            self._rejected_ids = []
        self._rejection = text
        if str(customer) not in self._rejected_ids:
            self._rejected_ids = [*self._rejected_ids, str(customer)][-MAX_REJECTED_IDS:]
        return len(self._rejected_ids)

    def state_changes(self) -> dict[str, str]:
        """The changed fields of the shop's state."""
        return {
            "last_rejection": self._rejection if self._rejected_ids else "",
            "last_rejected_ids": ",".join(self._rejected_ids),
        }


def _outcome(settlement: Settlement) -> str:
    if settlement.op == "complete":
        return UPDATED if settlement.note == WRITTEN else "unchanged"
    return OUTCOME_OF_OP[settlement.op]
