"""The shop with twenty customers and the visitors of the pages of rules."""

from __future__ import annotations

from tests.web.pages.rules.conftest import cold, lan, minh, twenty

__all__ = ["cold", "lan", "minh", "twenty"]
