"""The shop and the visitors of the rules' pages."""

from __future__ import annotations

from tests.web.pages.rules.conftest import cold, lan, minh, twenty

__all__ = ["cold", "lan", "minh", "twenty"]
