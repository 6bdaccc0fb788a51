"""The demo (`./deploy/demo`, `tagger demo`): the whole service against a simulated shop, shown in the terminal.

The folder cannot be named `demo`, because `deploy/demo` is the command.
"""

from __future__ import annotations

from deploy.demonstration.app import run_demo
from deploy.demonstration.environment import Options

__all__ = ["Options", "run_demo"]
