"""The control API (`/_sandbox`): the handle's own functions over HTTP, for demos and for programs in other languages."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from .faults import Faults
from .handle import ShopHandle

if TYPE_CHECKING:
    from .box import Sandbox

_COMMANDS = (
    "populate", "create", "edit", "delete", "order", "refund", "tag_by_hand", "untag_by_hand", "tags", "customer",
    "ids", "subscribe", "app", "unsubscribe", "resend", "replace_token", "foreign_calls", "status",
)  # fmt: skip
_FAULTS = ("fail", "timeout", "throttle", "lose_answer", "disagree", "clear")
_DELIVERIES = ("pause", "resume", "clear")
_FAULT_SWITCHES = ("latency_s", "lag_s", "ids_mode", "coarse_updated_at", "missing_fields", "null_fields")
_DELIVERY_SWITCHES = (
    "duplicate_rate", "reorder_rate", "reorder_window_s", "drop_rate", "delay_s", "concurrency", "timeout_s",
    "time_scale", "header", "missing_fields",
)  # fmt: skip
_SHOP_SWITCHES = ("echo", "shop_endpoint")


class Control:
    """Commands are `POST /_sandbox/<command>` with the arguments as a JSON object; `?org=` names the shop,
    without it the first one is meant."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def index(self, request: Request) -> Response:
        del request
        about = {name: _about(getattr(ShopHandle, name)) for name in _COMMANDS}
        about |= {f"faults/{name}": _about(getattr(Faults, name)) for name in _FAULTS}
        about |= {f"deliveries/{name}": _about(getattr(_deliveries(), name)) for name in _DELIVERIES}
        about |= {
            "faults": {"does": "GET shows, POST sets the switches.", "takes": list(_FAULT_SWITCHES)},
            "deliveries": {"does": "GET shows, POST sets the switches.", "takes": list(_DELIVERY_SWITCHES)},
            "shop": {"does": "GET shows, POST sets the switches.", "takes": list(_SHOP_SWITCHES)},
            "calls": {
                "does": "GET shows counts and the last calls (?last=20), DELETE forgets them.",
                "takes": [],
            },
            "deliveries/log": {"does": "GET shows the last attempts (?last=20).", "takes": []},
            "settled": {"does": "Answers once every delivery was sent.", "takes": ["retries"]},
            "advance": {"does": "Moves the sandbox's time forward.", "takes": ["seconds"]},
            "shops": {"does": "GET lists the shops, POST opens one.", "takes": ["org", "token", "secret"]},
        }
        return _json({"usage": Control.__doc__, "shops": list(self._sandbox.handles), "commands": about})

    async def command(self, request: Request) -> Response:
        return await self._do(request, lambda handle: handle, _COMMANDS)

    async def fault(self, request: Request) -> Response:
        return await self._do(request, lambda handle: handle.faults, _FAULTS)

    async def delivery(self, request: Request) -> Response:
        return await self._do(request, lambda handle: handle.deliveries, _DELIVERIES)

    async def fault_switches(self, request: Request) -> Response:
        return await self._switches(request, lambda handle: handle.faults, _FAULT_SWITCHES)

    async def delivery_switches(self, request: Request) -> Response:
        return await self._switches(request, lambda handle: handle.deliveries, _DELIVERY_SWITCHES)

    async def shop_switches(self, request: Request) -> Response:
        return await self._switches(request, lambda handle: handle.shop, _SHOP_SWITCHES)

    async def calls(self, request: Request) -> Response:
        calls = self._handle(request).calls
        if request.method == "DELETE":
            calls.reset()
        last = list(calls.last)[-int(request.query_params.get("last", "20")) :]
        shown = [asdict(call) | {"body": call.body.decode(errors="replace")} for call in last]
        return _json({"by_endpoint": calls.by_endpoint(), "by_status": calls.by_status(), "last": shown})

    async def log(self, request: Request) -> Response:
        log = list(self._handle(request).deliveries.log)[-int(request.query_params.get("last", "20")) :]
        return _json({"log": [asdict(sent) for sent in log]})

    async def settled(self, request: Request) -> Response:
        await self._handle(request).deliveries.settled(**await _arguments(request))
        return _json({})

    async def advance(self, request: Request) -> Response:
        self._sandbox.advance(**await _arguments(request))
        return _json({"now": self._sandbox.clock()})

    async def shops(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                handle = self._sandbox.add_shop(**await _arguments(request))
            except (TypeError, ValueError) as exc:
                return _json({"error": str(exc)}, 400)
            return _json(handle.status(), 201)
        return _json({"shops": [handle.status() for handle in self._sandbox.handles.values()]})

    async def _do(
        self, request: Request, of: Callable[[ShopHandle], Any], allowed: tuple[str, ...]
    ) -> Response:
        name = request.path_params["name"]
        if name not in allowed:
            return _json({"error": f"no command {name}; see GET /_sandbox/"}, 404)
        try:
            done = getattr(of(self._handle(request)), name)(**await _arguments(request))
        except KeyError as exc:
            return _json({"error": str(exc.args[0])}, 404)
        except (TypeError, ValueError, ArithmeticError) as exc:
            return _json({"error": str(exc)}, 400)
        return _json({"result": done if _plain(done) else None})

    async def _switches(
        self, request: Request, of: Callable[[ShopHandle], Any], allowed: tuple[str, ...]
    ) -> Response:
        switches = of(self._handle(request))
        given = await _arguments(request) if request.method == "POST" else {}
        if set(given) - set(allowed):
            return _json({"error": f"switches are: {', '.join(allowed)}"}, 400)
        kinds = {one.name: one.type for one in fields(switches)}
        for name, value in given.items():
            setattr(switches, name, frozenset(value) if "frozenset" in str(kinds[name]) else value)
        return _json({name: getattr(switches, name) for name in allowed})

    def _handle(self, request: Request) -> ShopHandle:
        org = request.query_params.get("org") or next(iter(self._sandbox.handles), "")
        try:
            return self._sandbox.handles[org]
        except KeyError as exc:
            from starlette.exceptions import HTTPException

            raise HTTPException(404, f"no shop {org}") from exc


def control_routes(sandbox: Sandbox) -> list[BaseRoute]:
    control = Control(sandbox)
    return [
        Route("/", control.index),
        Route("/shops", control.shops, methods=["GET", "POST"]),
        Route("/advance", control.advance, methods=["POST"]),
        Route("/settled", control.settled, methods=["POST"]),
        Route("/calls", control.calls, methods=["GET", "DELETE"]),
        Route("/shop", control.shop_switches, methods=["GET", "POST"]),
        Route("/faults", control.fault_switches, methods=["GET", "POST"]),
        Route("/faults/{name}", control.fault, methods=["POST"]),
        Route("/deliveries", control.delivery_switches, methods=["GET", "POST"]),
        Route("/deliveries/log", control.log),
        Route("/deliveries/{name}", control.delivery, methods=["POST"]),
        Route("/{name}", control.command, methods=["POST"]),
    ]


async def _arguments(request: Request) -> dict[str, Any]:
    body = await request.body()
    given: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any]) if body.strip() else {}
    return given


def _about(command: Callable[..., Any]) -> dict[str, Any]:
    takes = [str(one) for one in inspect.signature(command).parameters.values() if one.name != "self"]
    return {"does": inspect.getdoc(command) or "", "takes": takes}


def _deliveries() -> type[Any]:
    from .deliveries import Deliveries

    return Deliveries


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | list | dict | set | tuple | bool)


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")
