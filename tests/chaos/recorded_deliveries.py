"""Haravan's side of the promise: every delivery that was answered 200, by topic and signature."""

from __future__ import annotations

from collections import Counter

import aiohttp

from deploy.sandbox.webhooks.delivery import Deliveries
from deploy.sandbox.webhooks.outbox import Delivery
from deploy.sandbox.webhooks.signature import sign


class RecordedDeliveries(Deliveries):
    """A shop's deliveries, which also count every answer."""

    def __init__(self, instead_of: Deliveries) -> None:
        super().__init__(
            clock=instead_of.clock,
            target=instead_of.target,
            unsubscribe=instead_of.unsubscribe,
            rng=instead_of.rng,
        )
        self.pushed = 0
        self.acknowledged: Counter[tuple[str, str]] = Counter()  # answered 200, by topic and signature
        self.refused: Counter[int] = Counter()  # other answers by status; 0 = none

    def push(self, delivery: Delivery) -> None:
        """Queue a delivery, and count it."""
        self.pushed += 1
        super().push(delivery)

    async def _send(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        before, target = self.log[-1] if self.log else None, self.target()
        await super()._send(session, delivery)
        sent = self.log[-1] if self.log else None  # no other task runs between its log entry and this line
        if sent is None or sent is before or target is None:
            return
        if sent.status == 200:
            signature = delivery.signature or sign(delivery.body, target.secret)
            self.acknowledged[delivery.topic, signature] += 1
        else:
            self.refused[sent.status or 0] += 1
