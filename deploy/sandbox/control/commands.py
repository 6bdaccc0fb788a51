"""The commands and switches of the control API, and their descriptions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

from deploy.sandbox.errors import NotFound, no_such
from deploy.sandbox.faults import Faults
from deploy.sandbox.handle import ShopHandle
from deploy.sandbox.shop import Bucket, Shop
from deploy.sandbox.webhooks import Deliveries

COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "": (
        "populate", "create", "edit", "delete", "order", "refund", "tag_by_hand", "untag_by_hand", "tags",
        "customer", "ids", "add_group", "subscribe", "app", "unsubscribe", "resend", "deliver", "replace_token", "replace_secret", "uninstall", "install", "consume_quota", "status",
    ),
    "faults": ("fail", "timeout", "throttle", "lose_answer", "disagree", "active", "clear"),
    "deliveries": ("pause", "resume", "clear"),
}  # fmt: skip
"""The commands of a shop (under the empty name) and of its parts."""

SWITCHES: Final[dict[str, tuple[str, ...]]] = {
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
"""The settings of a shop's parts that can be changed while it runs."""

READABLE: Final = frozenset({"status", "active"})
"""The commands that change nothing: GET works too."""

_OWNERS: Final[dict[str, type[Any]]] = {
    "": ShopHandle, "shop": Shop, "bucket": Bucket, "faults": Faults, "deliveries": Deliveries,
}  # fmt: skip
_OTHER_PATHS: Final[dict[str, dict[str, Any]]] = {
    "shops": {
        "does": "GET lists the shops, POST opens one.",
        "takes": ["org", "token", "secret", "scopes", "timezone", "currency", "name", "seed"],
    },
    "advance": {
        "does": "Moves the sandbox's time forward, and sends every webhook and retry that falls due, in order.",
        "takes": ["seconds"],
    },
    "wait_idle": {"does": "Responds when every delivery has been sent.", "takes": ["retries=False"]},
    "calls": {
        "does": "GET returns counts and the last calls (?last=20), DELETE clears the log.",
        "takes": [],
    },
    "deliveries/log": {"does": "GET returns the last attempts (?last=20).", "takes": []},
}


def check_command(part: str, name: str) -> None:
    """Raises NotFound, with the nearest names, if the part has no such command."""
    commands = COMMANDS.get(part, ())
    if name not in commands:
        others = (*_OTHER_PATHS, *SWITCHES) if not part else ()
        raise NotFound(no_such("command" if not part else f"command of {part}", name, (*commands, *others)))


def check_part(name: str) -> None:
    """Raises NotFound, with the nearest names, if a shop has no such part."""
    if name not in SWITCHES:
        raise NotFound(no_such("part of a shop", name, SWITCHES))


def describe_all() -> dict[str, Any]:
    """Every command and switch, with its description and its arguments."""
    descriptions: dict[str, Any] = dict(_OTHER_PATHS)
    for owner, names in COMMANDS.items():
        for name in names:
            descriptions[f"{owner}/{name}".lstrip("/")] = _describe(getattr(_OWNERS[owner], name))
    for owner, names in SWITCHES.items():
        descriptions[owner] = {
            "does": f"GET returns, POST sets. {inspect.getdoc(_OWNERS[owner])}",
            "takes": list(names),
        }
    return descriptions


def _describe(command: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(command).parameters.values()
    takes = [str(parameter) for parameter in parameters if parameter.name != "self"]
    return {"does": inspect.getdoc(command) or "", "takes": takes}
