"""What a turn did, for the log and the metrics: one line a customer, counts for the turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import structlog

from service.domain.customers import CustomerId
from service.store.counters import Counters
from service.store.settlements import Item, Mark, Outcome
from service.store.turns import Turn
from workers.entries import cause_of
from workers.plans import Plan
from workers.write import Carried

MOST_REFUSED: Final = 20


class Journal:
    """Writes the `customer` lines of one turn."""

    def __init__(self, turn: Turn, counters: Counters) -> None:
        self._turn = turn
        self._counters = counters
        self._log = structlog.get_logger()
        self.counts: Counter[str] = Counter()
        self._rejected = turn.state.get("rejected", "")
        self._refused = [one for one in turn.state.get("rejected_of", "").split(",") if one]

    def settled(self, mark: Mark, item: Item, outcome: Outcome, *, note: str, plan: Plan | None) -> None:
        """One customer's settlement; `plan` is what was carried out."""
        word = _word(item, note) if outcome == "done" else outcome
        self.counts[word] += 1
        if word == "planned":
            return  # its own line follows when it is written
        self._counters.add("customers_processed", outcome=word)
        added, removed = (plan.add, plan.remove) if plan is not None and word == "updated" else ((), ())
        if word == "updated":
            self._refused = []
            self._counters.add("tag_writes", len(added), action="added")
            self._counters.add("tag_writes", len(removed), action="removed")
            self._counters.observe("tag_latency_seconds", (self._turn.now_ms - mark.first_ms) / 1000)
        line = self._log.warning if item.letter is not None else self._log.info
        line(
            "customer",
            org=self._turn.org,
            customer=mark.customer,
            outcome=word,
            cause=cause_of(mark),
            added=list(added) or None,
            removed=list(removed) or None,
            tries=mark.tries or None,
            queued_ms=max(0, self._turn.now_ms - mark.first_ms),
            detail=(item.letter.text if item.letter is not None else note) or None,
            lane=mark.lane,
        )

    def refused(self, carried: Iterable[Carried]) -> None:
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
            self._refused = [*self._refused, str(customer)][-MOST_REFUSED:]
        return len(self._refused)

    def state_changes(self) -> dict[str, str]:
        """What the shop's state keeps of it."""
        return {
            "rejected": self._rejected if self._refused else "",
            "rejected_of": ",".join(self._refused),
        }


def _word(item: Item, note: str) -> str:
    if item.op == "clear":
        return "updated" if note == "written" else "unchanged"
    if item.op == "later":
        return "retry_scheduled"
    return {"plan": "planned", "ready": "requeued", "dead": "dead_lettered", "purge": "deleted"}[item.op]
