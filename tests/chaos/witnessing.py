"""Haravan's side of the promise: which deliveries were answered 200, each by its identity."""

from __future__ import annotations

from collections import Counter

import aiohttp

from deploy.sandbox.webhooks.delivery import Deliveries
from deploy.sandbox.webhooks.outbox import Delivery
from deploy.sandbox.webhooks.signature import sign


class Witness(Deliveries):
    """Deliveries as they are, with a book kept of every 200."""

    def __init__(self, instead_of: Deliveries) -> None:
        super().__init__(
            clock=instead_of.clock,
            target=instead_of.target,
            unsubscribe=instead_of.unsubscribe,
            rng=instead_of.rng,
        )
        self.pushed = 0
        self.attempts = 0
        self.answered: Counter[tuple[str, str]] = Counter()  # topic and signature
        self.refused: Counter[int] = Counter()  # other answers by status; 0 = none

    def push(self, delivery: Delivery) -> None:
        """Take on a delivery."""
        self.pushed += 1
        super().push(delivery)

    async def _send(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        before, target = self.log[-1] if self.log else None, self.target()
        await super()._send(session, delivery)
        sent = self.log[-1] if self.log else None  # nothing else runs between its note and this line
        if sent is None or sent is before or target is None:
            return
        self.attempts += 1
        if sent.status == 200:
            signature = delivery.signature or sign(delivery.body, target.secret)
            self.answered[delivery.topic, signature] += 1
        else:
            self.refused[sent.status or 0] += 1
