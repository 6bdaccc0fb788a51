"""The short way for webhooks: what comes in one piece and is rightly signed needs no task and no ASGI messages.

That halves what a webhook costs the process; deploy/decisions/0011 has the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final, Protocol

from service.errors import StoreAway
from service.store.lots import Confirmation
from service.web.connections import Connection

HTTP: Final = "1.1"


class Desk(Protocol):
    """Where webhooks are taken; the ASGI application has it as its attribute `desk`."""

    path: bytes

    def take(self, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Confirmation | None:
        """Begin to store a webhook; None leaves it to the long way, where every answer is known. Raises StoreAway."""

    def answer(self, failure: StoreAway | None, *, took_s: float, last: bool) -> bytes:
        """Count it and give the whole answer; `last` says that the connection ends with it."""


class NoDesk:
    """Of an application that takes no webhooks: no request has an empty path."""

    path = b""

    def take(self, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Confirmation | None:
        """Nothing is taken."""
        return None

    def answer(self, failure: StoreAway | None, *, took_s: float, last: bool) -> bytes:
        """Nothing is answered."""
        return b""


class Pending:
    """The request that is on the short way, as uvicorn's connection sees it: the next one must wait for its answer."""

    __slots__ = ("began", "disconnected", "keep_alive", "message_event", "response_complete")

    def __init__(self) -> None:
        self.response_complete = True
        self.keep_alive = True  # uvicorn sets it False when the process is to stop
        self.disconnected = False
        self.message_event = _NOBODY_WAITS
        self.began = 0.0


_NOBODY_WAITS: Final = asyncio.Event()


class Express(Connection):
    """A connection on which a webhook takes the short way, where it can, and everything else uvicorn's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._desk: Desk = getattr(self.app, "desk", None) or NoDesk()
        self._pieces: list[bytes] | None = None  # of a body that may go the short way
        self._pending = Pending()
        self._idle_since = 0.0  # the loop's clock
        self._watch: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; whoever's body has not come along with its head goes the long way."""
        super().data_received(data)
        if self._pieces is not None:
            self._hand_over()

    def on_headers_complete(self) -> None:
        """The parser saw a whole head."""
        if self._may_be_short():
            self._head, self._pieces = None, []
        else:
            self._go_long()

    def on_body(self, body: bytes) -> None:
        """The parser saw a piece of the body."""
        if self._pieces is None:
            super().on_body(body)
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The parser saw the last byte of a request."""
        if self._pieces is not None and self._took():
            self._pieces = None
            self._ended()
            return
        if self._pieces is not None:
            self._hand_over()
        super().on_message_complete()

    def _begin(self) -> None:
        """What uvicorn does, without the scope that the short way has no use for."""
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def _go_long(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super()._begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        super().on_headers_complete()

    def _may_be_short(self) -> bool:
        return (
            self.url == self._desk.path
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == HTTP
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
        )

    def _hand_over(self) -> None:
        pieces, self._pieces = self._pieces or [], None
        self._go_long()
        for piece in pieces:
            super().on_body(piece)

    def _took(self) -> bool:
        """Whether the webhook is on its short way; its answer follows when it is stored."""
        pieces = self._pieces or [b""]
        began = perf_counter()
        try:
            done = self._desk.take(self.headers, pieces[0] if len(pieces) == 1 else b"".join(pieces))
        except StoreAway as exc:
            self._begin_short(began)
            self._answer(exc)
            return True
        except Exception:  # noqa: BLE001  # the long way meets it again, and makes it a 500 and a line in the log
            return False
        if done is None:
            return False
        self._is_known = True
        self._begin_short(began)
        done.then(self._answer)
        return True

    def _begin_short(self, began: float) -> None:
        pending = self._pending
        pending.response_complete, pending.began = False, began
        self.cycle = pending  # type: ignore[assignment]

    def _answer(self, failure: StoreAway | None) -> None:
        pending = self._pending
        last = not pending.keep_alive
        text = self._desk.answer(failure, took_s=perf_counter() - pending.began, last=last)
        if pending.disconnected:
            return
        self.transport.write(text)
        pending.response_complete = True
        if last:
            self.transport.close()
        if last or self.pipeline:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self._rest()

    def _rest(self) -> None:
        """Watch for the next request; a timer for each that comes in time would cost a twentieth of a webhook."""
        self._idle_since = self.loop.time()
        if self._watch is None:
            self._watch = self.loop.call_later(self.timeout_keep_alive, self._look)

    def _look(self) -> None:
        self._watch = None
        if self._begun or self.timeout_keep_alive_task or not (self.cycle and self.cycle.response_complete):
            return  # something is under way: the short way will watch again, and the long way has its own timer
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s <= 0:
            self.timeout_keep_alive_handler()
        else:
            self._watch = self.loop.call_later(left_s, self._look)
