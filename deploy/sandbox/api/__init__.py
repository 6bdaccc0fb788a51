"""The HTTP API of the simulated shops, as Haravan's documents describe it. `deploy.sandbox.app` mounts it."""

from __future__ import annotations

from deploy.sandbox.api import subscription
from deploy.sandbox.api.endpoints import ADMIN, OMNI, Endpoint
from deploy.sandbox.api.middleware import ApiMiddleware
from deploy.sandbox.api.responses import DROP

__all__ = ["ADMIN", "DROP", "OMNI", "ApiMiddleware", "Endpoint", "subscription"]
