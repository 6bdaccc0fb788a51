"""The demo: the whole service against a shop in a box, told in the terminal as it happens."""

from __future__ import annotations

from deploy.demonstration.options import Options
from deploy.demonstration.show import demonstrate

__all__ = ["Options", "demonstrate"]
