"""The control API (`/_sandbox`): the handle's own functions over HTTP, for demos and for programs in other languages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from . import menu
from .handle import ShopHandle

if TYPE_CHECKING:
    from .box import Sandbox

Given = dict[str, Any]


class NotThere(Exception):
    """No such shop or command."""


class Control:
    """Commands are `POST /_sandbox/<command>`, arguments as a JSON object; `?org=` names the shop, else the first is meant."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", _guarded(self._index)),
            Route("/shops", _guarded(self._shops), methods=["GET", "POST"]),
            Route("/advance", _guarded(self._advance), methods=["POST"]),
            Route("/settled", _guarded(self._settled), methods=["POST"]),
            Route("/calls", _guarded(self._calls), methods=["GET", "DELETE"]),
            Route("/deliveries/log", _guarded(self._log)),
            Route("/{part:str}", _guarded(self._part), methods=["GET", "POST"]),
            Route("/{part:str}/{name:str}", _guarded(self._command_of_part), methods=["POST"]),
        ]

    async def _index(self, request: Request, given: Given) -> Any:
        del request, given
        return {"usage": Control.__doc__, "shops": list(self._sandbox.handles), "commands": menu.described()}

    async def _part(self, request: Request, given: Given) -> Any:
        """A command of the shop, or the switches of one of its parts."""
        name = request.path_params["part"]
        handle = self._handle(request)
        if name in menu.SWITCHES:
            switches = menu.part(handle, name)
            menu.switch(switches, menu.SWITCHES[name], given)
            return {one: getattr(switches, one) for one in menu.SWITCHES[name]}
        if request.method != "POST" and name != "status":
            raise NotThere(f"{name} is a command: POST it")
        return _run(handle, name, menu.COMMANDS[""], given)

    async def _command_of_part(self, request: Request, given: Given) -> Any:
        name = request.path_params["part"]
        handle = self._handle(request)
        return _run(menu.part(handle, name), request.path_params["name"], menu.COMMANDS.get(name, ()), given)

    async def _calls(self, request: Request, given: Given) -> Any:
        del given
        calls = self._handle(request).calls
        if request.method == "DELETE":
            calls.reset()
        shown = [
            asdict(call) | {"body": call.body.decode(errors="replace")} for call in _last(request, calls.last)
        ]
        return {"by_endpoint": calls.by_endpoint(), "by_status": calls.by_status(), "last": shown}

    async def _log(self, request: Request, given: Given) -> Any:
        del given
        return {"log": [asdict(sent) for sent in _last(request, self._handle(request).deliveries.log)]}

    async def _settled(self, request: Request, given: Given) -> Any:
        await self._handle(request).deliveries.settled(**given)
        return {"settled": True}

    async def _advance(self, request: Request, given: Given) -> Any:
        del request
        self._sandbox.advance(**given)
        return {"now": self._sandbox.clock()}

    async def _shops(self, request: Request, given: Given) -> Any:
        if request.method == "POST":
            return self._sandbox.add_shop(**given).status()
        return {"shops": [handle.status() for handle in self._sandbox.handles.values()]}

    def _handle(self, request: Request) -> ShopHandle:
        org = request.query_params.get("org") or next(iter(self._sandbox.handles), "")
        if org not in self._sandbox.handles:
            raise NotThere(f"no shop {org}")
        return self._sandbox.handles[org]


def _run(owner: object, name: str, allowed: tuple[str, ...], given: Given) -> Any:
    if name not in allowed:
        raise NotThere(f"no command {name}; see GET /_sandbox/")
    done = getattr(owner, name)(**given)
    return {"result": done if isinstance(done, str | int | list | dict | set) else None}


def _last(request: Request, entries: Any) -> list[Any]:
    return list(entries)[-int(request.query_params.get("last", "20")) :]


def _guarded(act: Callable[[Request, Given], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that reads the arguments and says plainly what is wrong with them."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            given = msgspec.json.decode(body, type=Given) if body.strip() else {}
            return _json(await act(request, given))
        except (NotThere, KeyError) as exc:
            return _json({"error": str(exc.args[0])}, 404)
        except (msgspec.MsgspecError, TypeError, ValueError, ArithmeticError) as exc:
            return _json({"error": str(exc)}, 400)

    return endpoint


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")
