"""The control API (`/_sandbox`): the methods of a shop handle over HTTP, for demos and other languages."""

from __future__ import annotations

from deploy.sandbox.control.commands import COMMANDS, SWITCHES
from deploy.sandbox.control.endpoints import Control

__all__ = ["COMMANDS", "SWITCHES", "Control"]
