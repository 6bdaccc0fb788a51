"""Roles: what a person or a token may do. Each role may do everything that the roles before it may do.

viewer      see rules, history, explanations, activity
marketer    preview, publish and roll back within the guard, exclude a customer, pause a shop
ops         approve beyond the guard, resume, shadow mode, replay, dead letters, adopt and retract tags
owner       tokens, users, shops and their connections
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The roles, from the least to the most powerful."""

    VIEWER = "viewer"
    MARKETER = "marketer"
    OPS = "ops"
    OWNER = "owner"

    def includes(self, least: Role) -> bool:
        """Whether this role may do what the role `least` may do."""
        order = list(Role)
        return order.index(self) >= order.index(least)
