"""What a turn did, for the log and the metrics: one line a customer, counts for the turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import structlog

from service.domain.customers import CustomerId
from service.store.jobs import Counters
from service.store.queue import Outcome, Settlement, ShopLease
from workers.drain.entries import cause_of
from workers.drain.plan_writer import WriteResult
from workers.drain.plans import WRITTEN

MAX_REFUSALS: Final = 20
UPDATED: Final = "updated"


class DrainLog:
    """Writes the `customer` lines of one turn."""

    def __init__(self, turn: ShopLease, counters: Counters) -> None:
        self._turn = turn
        self._counters = counters
        self._log = structlog.get_logger()
        self.counts: Counter[str] = Counter()
        self._rejected = turn.state.get("last_rejection", "")
        self._refused = [one for one in turn.state.get("last_rejected_ids", "").split(",") if one]

    def settled(self, settlement: Settlement, outcome: Outcome) -> None:
        """One customer's settlement."""
        mark, letter = settlement.mark, settlement.dead_letter
        word = _word(settlement) if outcome == "done" else outcome
        self.counts[word] += 1
        if word == "planned":
            return  # its own line follows when it is written
        self._counters.add("customers_processed", outcome=word)
        added, removed = (settlement.added, settlement.removed) if word == UPDATED else ((), ())
        if word == UPDATED:
            self._refused = []
            self._counters.add("tag_writes", len(added), action="added")
            self._counters.add("tag_writes", len(removed), action="removed")
            self._counters.observe("tag_latency_seconds", (self._turn.now_ms - mark.enqueued_ms) / 1000)
        line = self._log.warning if letter is not None else self._log.info
        line(
            "customer",
            org=self._turn.org,
            customer=mark.customer,
            outcome=word,
            cause=cause_of(mark),
            added=list(added) or None,
            removed=list(removed) or None,
            tries=mark.attempts or None,
            queued_ms=max(0, self._turn.now_ms - mark.enqueued_ms),
            detail=(letter.text if letter is not None else settlement.note) or None,
            lane=mark.lane,
        )

    def refused(self, carried: Iterable[WriteResult]) -> None:
        """Plans that no longer stood when they were to be written: their customers are read again."""
        for each in carried:
            self.counts[each.outcome] += 1
            self._counters.add("customers_processed", outcome=each.outcome)

    def rejected(self, text: str, customer: CustomerId) -> int:
        """How many customers, none of them written meanwhile, were refused for the same reason."""
        if text != self._rejected:
            self._refused = []
        self._rejected = text
        if str(customer) not in self._refused:
            self._refused = [*self._refused, str(customer)][-MAX_REFUSALS:]
        return len(self._refused)

    def state_changes(self) -> dict[str, str]:
        """What the shop's state keeps of it."""
        return {
            "last_rejection": self._rejected if self._refused else "",
            "last_rejected_ids": ",".join(self._refused),
        }


def _word(settlement: Settlement) -> str:
    if settlement.op == "complete":
        return UPDATED if settlement.note == WRITTEN else "unchanged"
    words = {
        "plan": "planned",
        "delay": "retry_scheduled",
        "requeue": "requeued",
        "dead_letter": "dead_lettered",
        "delete": "deleted",
    }
    return words[settlement.op]
