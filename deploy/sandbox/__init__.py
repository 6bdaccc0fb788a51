"""A Haravan shop in a box: the Customer API, webhooks and all that can go wrong, for tests and demos."""

from __future__ import annotations

from .box import Sandbox
from .calls import Call, Calls
from .clock import Clock
from .deliveries import Deliveries, Sent
from .faults import Faults
from .handle import ShopHandle
from .server import run, serve
from .signature import sign
from .subscription import HandshakeFailed

__all__ = [
    "Call",
    "Calls",
    "Clock",
    "Deliveries",
    "Faults",
    "HandshakeFailed",
    "Sandbox",
    "Sent",
    "ShopHandle",
    "run",
    "serve",
    "sign",
]
