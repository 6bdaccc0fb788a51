"""A shop as the command line shows it: never with its token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.cli.output import moment

if TYPE_CHECKING:
    from service.store.shop import Shop


def row_of(shop: Shop, version: int) -> dict[str, object]:
    """For scripts, and for the table."""
    return {
        "org": shop.org,
        "name": shop.name,
        "dialect": shop.dialect,
        "api_url": shop.api_url,
        "timezone": shop.timezone,
        "currency": shop.currency,
        "reserve": shop.reserve,
        "shadow": shop.shadow,
        "own_secret": bool(shop.secret),
        "version": version or None,
        "paused": shop.paused,
        "paused_since_ms": shop.paused_since_ms or None,
        "paused_by": shop.paused_by,
        "removals_paused": shop.removals_paused,
    }


def state_of(row: dict[str, object]) -> str:
    """Whether it works, in a few words."""
    if row["paused"]:
        since = row["paused_since_ms"]
        return f"paused since {moment(since if isinstance(since, int) else None)}: {row['paused']} ({row['paused_by']})"
    if row["removals_paused"]:
        return f"removals paused: {row['removals_paused']}"
    return "shadow: nothing is written" if row["shadow"] else "works"
