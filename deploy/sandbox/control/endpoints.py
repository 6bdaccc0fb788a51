"""The endpoints of the control API: `/_sandbox/…`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox.control.arguments import (
    Arguments,
    bind,
    parse_arguments,
    positive_parameter,
    set_switches,
)
from deploy.sandbox.control.commands import READABLE, SWITCHES, check_command, check_part, describe_all
from deploy.sandbox.errors import NotFound, Refused, ValidationError, no_such
from deploy.sandbox.handle import ShopHandle
from deploy.sandbox.registry import ShopRegistry

MAX_ADVANCE_S: Final = 10 * 366 * 86_400


class Control:
    """POST /_sandbox/<command> with the arguments as a JSON object. `?org=` selects the shop, by default the first."""

    def __init__(self, registry: ShopRegistry) -> None:
        self._registry = registry

    def routes(self) -> list[Route]:
        return [
            Route("/", _endpoint(self._index)),
            Route("/shops", _endpoint(self._shops), methods=["GET", "POST"]),
            Route("/advance", _endpoint(self._advance), methods=["POST"]),
            Route("/wait_idle", _endpoint(self._wait_idle), methods=["POST"]),
            Route("/calls", _endpoint(self._calls), methods=["GET", "DELETE"]),
            Route("/deliveries/log", _endpoint(self._log)),
            Route("/{part:str}", _endpoint(self._part), methods=["GET", "POST"]),
            Route("/{part:str}/{name:str}", _endpoint(self._part_command), methods=["GET", "POST"]),
        ]

    async def _index(self, request: Request, arguments: Arguments) -> Any:
        del request, arguments
        return {"usage": Control.__doc__, "shops": list(self._registry.handles), "commands": describe_all()}

    async def _part(self, request: Request, arguments: Arguments) -> Any:
        """Run a command of the shop, or read and set the switches of one of its parts."""
        name = request.path_params["part"]
        handle = self._handle(request)
        if name in SWITCHES:
            part = getattr(handle, name)
            set_switches(part, SWITCHES[name], arguments)
            switches = {switch: getattr(part, switch) for switch in SWITCHES[name]}
            return switches | ({"active": part.active()} if name == "faults" else {})
        _check_method(request, "", name)
        return _run(handle, "", name, arguments)

    async def _part_command(self, request: Request, arguments: Arguments) -> Any:
        part, name = request.path_params["part"], request.path_params["name"]
        check_part(part)
        _check_method(request, part, name)
        return _run(getattr(self._handle(request), part), part, name, arguments)

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
        deliveries = self._handle(request).deliveries
        await deliveries.wait_idle(**bind(deliveries.wait_idle, arguments))
        return {"idle": True}

    async def _advance(self, request: Request, arguments: Arguments) -> Any:
        del request
        seconds = bind(self._registry.play, arguments)["seconds"]
        if not 0 <= seconds <= MAX_ADVANCE_S:
            raise Refused(f"seconds must be from 0 to {MAX_ADVANCE_S}: time only moves forward")
        await self._registry.play(seconds)
        return {"now": self._registry.clock()}

    async def _shops(self, request: Request, arguments: Arguments) -> Any:
        if request.method == "POST":
            return self._registry.add_shop(**bind(self._registry.add_shop, arguments)).status()
        return {"shops": [handle.status() for handle in self._registry.handles.values()]}

    def _handle(self, request: Request) -> ShopHandle:
        org = request.query_params.get("org") or next(iter(self._registry.handles), "")
        if org not in self._registry.handles:
            raise NotFound(no_such("shop", org, self._registry.handles))
        return self._registry.handles[org]


def _check_method(request: Request, part: str, name: str) -> None:
    check_command(part, name)
    if request.method != "POST" and name not in READABLE:
        raise NotFound(f"{name} is a command: use POST")


def _run(owner: object, part: str, name: str, arguments: Arguments) -> Any:
    check_command(part, name)
    command = getattr(owner, name)
    try:
        result = command(**bind(command, arguments))
    except Refused:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as exc:
        # a value inside of an argument, such as an address that is a number
        raise Refused(f"{name} cannot be done with these arguments; see GET /_sandbox/") from exc
    return {"result": result if isinstance(result, str | int | list | dict | set) else None}


def _last(request: Request, entries: Any) -> list[Any]:
    return list(entries)[-positive_parameter("last", request.query_params.get("last"), 20) :]


def _endpoint(
    act: Callable[[Request, Arguments], Awaitable[Any]],
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that parses the arguments and reports errors in them as 400 or 404."""

    async def endpoint(request: Request) -> Response:
        try:
            return _json(await act(request, parse_arguments(await request.body())))
        except NotFound as exc:
            return _json({"error": str(exc)}, 404)
        except (Refused, ValidationError) as exc:
            return _json({"error": exc.errors if isinstance(exc, ValidationError) else str(exc)}, 400)

    return endpoint


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")
