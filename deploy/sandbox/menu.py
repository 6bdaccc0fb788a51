"""What the control API offers: its commands, its switches, and a description of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from .bucket import Bucket
from .deliveries import Deliveries
from .faults import Faults
from .handle import ShopHandle
from .shop import Shop

COMMANDS: dict[str, tuple[str, ...]] = {
    "": (
        "populate", "create", "edit", "delete", "order", "refund", "tag_by_hand", "untag_by_hand", "tags",
        "customer", "ids", "add_group", "subscribe", "app", "unsubscribe", "resend", "deliver", "replace_token", "replace_secret", "uninstall", "install", "foreign_calls", "status",
    ),
    "faults": ("fail", "timeout", "throttle", "lose_answer", "disagree", "clear"),
    "deliveries": ("pause", "resume", "clear"),
}  # fmt: skip
"""Commands of the shop itself (under no name) and of its parts."""

SWITCHES: dict[str, tuple[str, ...]] = {
    "shop": ("echo", "shop_endpoint", "scopes"),
    "bucket": ("size", "leak_per_s", "retry_after_s", "step_s"),
    "faults": (
        "latency_s", "lag_s", "ids_mode", "tag_spelling", "coarse_updated_at", "missing_fields", "null_fields",
    ),
    "deliveries": (
        "duplicate_rate", "reorder_rate", "reorder_window_s", "drop_rate", "delay_s", "concurrency", "timeout_s",
        "time_scale", "count_across", "header", "chunk_bytes", "missing_fields",
    ),
}  # fmt: skip

_OWNERS: dict[str, type[Any]] = {
    "": ShopHandle, "shop": Shop, "bucket": Bucket, "faults": Faults, "deliveries": Deliveries,
}  # fmt: skip
_OTHERS = {
    "shops": {
        "does": "GET lists the shops, POST opens one.",
        "takes": ["org", "token", "secret", "timezone", "currency"],
    },
    "advance": {"does": "Moves the sandbox's time forward.", "takes": ["seconds"]},
    "settled": {"does": "Answers once every delivery was sent.", "takes": ["retries=False"]},
    "calls": {"does": "GET shows counts and the last calls (?last=20), DELETE forgets them.", "takes": []},
    "deliveries/log": {"does": "GET shows the last attempts (?last=20).", "takes": []},
}


def part(handle: ShopHandle, name: str) -> Any:
    """The part of a shop that has commands or switches. Raises KeyError for any other name."""
    if name not in SWITCHES:
        raise KeyError(f"no {name} here; see GET /_sandbox/")
    return getattr(handle, name)


def switch(switches: Any, allowed: tuple[str, ...], given: dict[str, Any]) -> None:
    """Set switches, or none of them. Raises ValueError for an unknown one or a value of another kind."""
    kinds = {one.name: type(getattr(switches, one.name)) for one in fields(switches)}
    unknown = set(given) - set(allowed)
    if unknown:
        raise ValueError(f"no switch {', '.join(sorted(unknown))}; there are {', '.join(allowed)}")
    values = {name: _as(kinds[name], name, value) for name, value in given.items()}
    for name, value in values.items():
        setattr(switches, name, value)


def described() -> dict[str, Any]:
    """Every command and switch with what it does and takes."""
    about: dict[str, Any] = dict(_OTHERS)
    for owner, names in COMMANDS.items():
        for name in names:
            about[f"{owner}/{name}".lstrip("/")] = _about(getattr(_OWNERS[owner], name))
    for owner, names in SWITCHES.items():
        about[owner] = {
            "does": f"GET shows, POST sets. {inspect.getdoc(_OWNERS[owner])}",
            "takes": list(names),
        }
    return about


def _as(kind: type[Any], name: str, value: Any) -> Any:
    if kind in {frozenset, tuple} and isinstance(value, list):
        return kind(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} takes a {kind.__name__}")
    return value


def _about(command: Callable[..., Any]) -> dict[str, Any]:
    takes = [str(one) for one in inspect.signature(command).parameters.values() if one.name != "self"]
    return {"does": inspect.getdoc(command) or "", "takes": takes}
