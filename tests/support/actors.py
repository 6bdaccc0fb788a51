"""Somebody for each role, as the tests' functions that change data take it."""

from __future__ import annotations

from typing import Final

from service.domain.access import Actor, Role

LAN: Final = Actor("Lan", Role.OPS, "token")
MARKETER: Final = Actor("Mai", Role.MARKETER, "token")
