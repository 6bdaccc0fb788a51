"""A simulated Haravan shop for tests and demos: the Customer API, webhooks, the call limit and faults on request.

It imports nothing of the service. `Sandbox` is the ASGI application, `serve` runs it, `ShopHandle` controls a shop.
"""

from __future__ import annotations

from deploy.sandbox.app import Sandbox
from deploy.sandbox.call_log import Call, Calls
from deploy.sandbox.clock import Clock
from deploy.sandbox.errors import NotFound, Refused
from deploy.sandbox.faults import Faults
from deploy.sandbox.handle import ShopHandle
from deploy.sandbox.server import run, serve
from deploy.sandbox.shop import fake_data
from deploy.sandbox.webhooks import Deliveries, HandshakeFailed, Sent, sign

__all__ = [
    "Call",
    "Calls",
    "Clock",
    "Deliveries",
    "Faults",
    "HandshakeFailed",
    "NotFound",
    "Refused",
    "Sandbox",
    "Sent",
    "ShopHandle",
    "fake_data",
    "run",
    "serve",
    "sign",
]
