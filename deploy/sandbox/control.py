"""The control API (`/_sandbox`): the methods of a shop handle over HTTP, for demos and other languages."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deploy.sandbox.faults import Faults
from deploy.sandbox.handle import ShopHandle
from deploy.sandbox.registry import ShopRegistry
from deploy.sandbox.shop import Bucket, Shop
from deploy.sandbox.webhooks import Deliveries

Arguments = dict[str, Any]

COMMANDS: dict[str, tuple[str, ...]] = {
    "": (
        "populate", "create", "edit", "delete", "order", "refund", "tag_by_hand", "untag_by_hand", "tags",
        "customer", "ids", "add_group", "subscribe", "app", "unsubscribe", "resend", "deliver", "replace_token", "replace_secret", "uninstall", "install", "consume_quota", "status",
    ),
    "faults": ("fail", "timeout", "throttle", "lose_answer", "disagree", "clear"),
    "deliveries": ("pause", "resume", "clear"),
}  # fmt: skip
"""The commands of a shop (under the empty name) and of its parts."""

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
"""The settings of a shop's parts that can be changed while it runs."""

_OWNERS: dict[str, type[Any]] = {
    "": ShopHandle, "shop": Shop, "bucket": Bucket, "faults": Faults, "deliveries": Deliveries,
}  # fmt: skip
_OTHER_PATHS = {
    "shops": {
        "does": "GET lists the shops, POST opens one.",
        "takes": ["org", "token", "secret", "timezone", "currency"],
    },
    "advance": {"does": "Moves the sandbox's time forward.", "takes": ["seconds"]},
    "wait_idle": {"does": "Responds when every delivery has been sent.", "takes": ["retries=False"]},
    "calls": {
        "does": "GET returns counts and the last calls (?last=20), DELETE clears the log.",
        "takes": [],
    },
    "deliveries/log": {"does": "GET returns the last attempts (?last=20).", "takes": []},
}


class UnknownName(Exception):
    """There is no such shop or command."""


class Control:
    """POST /_sandbox/<command> with the arguments as a JSON object. `?org=` selects the shop, by default the first."""

    def __init__(self, registry: ShopRegistry) -> None:
        self._registry = registry

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", _endpoint(self._index)),
            Route("/shops", _endpoint(self._shops), methods=["GET", "POST"]),
            Route("/advance", _endpoint(self._advance), methods=["POST"]),
            Route("/wait_idle", _endpoint(self._wait_idle), methods=["POST"]),
            Route("/calls", _endpoint(self._calls), methods=["GET", "DELETE"]),
            Route("/deliveries/log", _endpoint(self._log)),
            Route("/{part:str}", _endpoint(self._part), methods=["GET", "POST"]),
            Route("/{part:str}/{name:str}", _endpoint(self._part_command), methods=["POST"]),
        ]

    async def _index(self, request: Request, arguments: Arguments) -> Any:
        del request, arguments
        return {"usage": Control.__doc__, "shops": list(self._registry.handles), "commands": describe_all()}

    async def _part(self, request: Request, arguments: Arguments) -> Any:
        """Run a command of the shop, or read and set the switches of one of its parts."""
        name = request.path_params["part"]
        handle = self._handle(request)
        if name in SWITCHES:
            part = _part_of(handle, name)
            set_switches(part, SWITCHES[name], arguments)
            return {switch: getattr(part, switch) for switch in SWITCHES[name]}
        if request.method != "POST" and name != "status":
            raise UnknownName(f"{name} is a command: use POST")
        return _run(handle, name, COMMANDS[""], arguments)

    async def _part_command(self, request: Request, arguments: Arguments) -> Any:
        name = request.path_params["part"]
        part = _part_of(self._handle(request), name)
        return _run(part, request.path_params["name"], COMMANDS.get(name, ()), arguments)

    async def _calls(self, request: Request, arguments: Arguments) -> Any:
        del arguments
        calls = self._handle(request).calls
        if request.method == "DELETE":
            calls.reset()
        last = [
            asdict(call) | {"body": call.body.decode(errors="replace")} for call in _last(request, calls.last)
        ]
        return {"by_endpoint": calls.by_endpoint(), "by_status": calls.by_status(), "last": last}

    async def _log(self, request: Request, arguments: Arguments) -> Any:
        del arguments
        return {"log": [asdict(sent) for sent in _last(request, self._handle(request).deliveries.log)]}

    async def _wait_idle(self, request: Request, arguments: Arguments) -> Any:
        await self._handle(request).deliveries.wait_idle(**arguments)
        return {"idle": True}

    async def _advance(self, request: Request, arguments: Arguments) -> Any:
        del request
        self._registry.clock.advance(**arguments)
        return {"now": self._registry.clock()}

    async def _shops(self, request: Request, arguments: Arguments) -> Any:
        if request.method == "POST":
            return self._registry.add_shop(**arguments).status()
        return {"shops": [handle.status() for handle in self._registry.handles.values()]}

    def _handle(self, request: Request) -> ShopHandle:
        org = request.query_params.get("org") or next(iter(self._registry.handles), "")
        if org not in self._registry.handles:
            raise UnknownName(f"no shop {org}")
        return self._registry.handles[org]


def set_switches(part: Any, allowed: tuple[str, ...], arguments: Arguments) -> None:
    """Set all of these switches or none. Raises ValueError for an unknown name or a value of the wrong type."""
    types = {field.name: type(getattr(part, field.name)) for field in fields(part)}
    unknown = set(arguments) - set(allowed)
    if unknown:
        raise ValueError(f"no switch {', '.join(sorted(unknown))}; there are {', '.join(allowed)}")
    values = {name: _convert(types[name], name, value) for name, value in arguments.items()}
    for name, value in values.items():
        setattr(part, name, value)


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


def _part_of(handle: ShopHandle, name: str) -> Any:
    if name not in SWITCHES:
        raise UnknownName(f"no {name} here; see GET /_sandbox/")
    return getattr(handle, name)


def _convert(kind: type[Any], name: str, value: Any) -> Any:
    if kind in {frozenset, tuple} and isinstance(value, list):
        return kind(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} must be of type {kind.__name__}")
    return value


def _run(owner: object, name: str, allowed: tuple[str, ...], arguments: Arguments) -> Any:
    if name not in allowed:
        raise UnknownName(f"no command {name}; see GET /_sandbox/")
    result = getattr(owner, name)(**arguments)
    return {"result": result if isinstance(result, str | int | list | dict | set) else None}


def _last(request: Request, entries: Any) -> list[Any]:
    return list(entries)[-int(request.query_params.get("last", "20")) :]


def _endpoint(
    act: Callable[[Request, Arguments], Awaitable[Any]],
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that parses the arguments and reports errors in them as 400 or 404."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            arguments = msgspec.json.decode(body, type=Arguments) if body.strip() else {}
            return _json(await act(request, arguments))
        except (UnknownName, KeyError) as exc:
            return _json({"error": str(exc.args[0])}, 404)
        except (msgspec.MsgspecError, TypeError, ValueError, ArithmeticError) as exc:
            return _json({"error": str(exc)}, 400)

    return endpoint


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")
