"""One simulated shop: its customers, what can change them, its call limit, and its state file."""

from __future__ import annotations

from deploy.sandbox.shop import editing, fake_data, persistence, sales, validation
from deploy.sandbox.shop.rate_limiter import Bucket
from deploy.sandbox.shop.search import find_matching
from deploy.sandbox.shop.shop import SCOPES, Shop

__all__ = [
    "SCOPES",
    "Bucket",
    "Shop",
    "editing",
    "fake_data",
    "find_matching",
    "persistence",
    "sales",
    "validation",
]
