"""Webhooks of the simulated shops: queue, signature, retries and the handshake."""

from __future__ import annotations

from deploy.sandbox.webhooks.delivery import Deliveries, Sent
from deploy.sandbox.webhooks.outbox import Delivery
from deploy.sandbox.webhooks.sender import Target
from deploy.sandbox.webhooks.signature import sign
from deploy.sandbox.webhooks.subscription import HandshakeFailed, WebhookSession

__all__ = ["Deliveries", "Delivery", "HandshakeFailed", "Sent", "Target", "WebhookSession", "sign"]
