"""The webhook endpoint: handshake, signature, record and mark, then 200 (the consequences: haravan.md, Webhooks)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from service.domain.deliveries import (
    MAX_BODY,
    Kept,
    Reason,
    Refusal,
    Verdict,
    cause_of,
    fingerprint,
    identity,
    is_signed,
    judge,
    keep,
    looks_signed,
)
from service.errors import StoreAway
from service.store.deliveries import STRANGERS
from service.store.ingest import Ingest
from service.store.lots import Confirmation
from service.store.marks import Event
from service.web.answers import AWAY, CLOSE, OK_BODY, OK_START, RETRY_AFTER, WIRE, answer
from service.web.bodies import BadBody, Bodies, Left
from service.web.directory import Directory, Known
from service.web.heads import Head, read_head
from service.web.refusals import Refusals
from service.web.tally import Tally, label

PATH: Final = "/webhooks/haravan"


class Webhooks:
    """A raw ASGI application for the one path, and the desk of its short way (express.py)."""

    path = PATH.encode()

    def __init__(
        self,
        *,
        ingest: Ingest,
        directory: Directory,
        refusals: Refusals,
        tally: Tally,
        verify_token: str,
        require_fit: Callable[[], None] = lambda: None,
        bodies: Bodies | None = None,
    ) -> None:
        self._ingest = ingest
        self._directory = directory
        self._refusals = refusals
        self._tally = tally
        self._verify_token = verify_token.encode()
        self._require_fit = require_fit  # raises StoreAway while the store's own settings are not known
        self._bodies = bodies or Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "POST":
            await self._deliver(scope, receive, send)
        elif method == "GET":
            await self._shake_hands(scope, send)
        else:
            await answer(send, 405, b"use GET or POST", (b"allow", b"GET, POST"))

    def take(self, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Confirmation | None:
        """Record a rightly signed delivery of a shop we know and mark its customer; None = it may be refused.

        The short way (express.py): nothing here waits. Raises StoreAway.
        """
        self._require_fit()
        head = read_head(headers)
        org = head.org or self._directory.org_of(head.domain)
        shop = self._directory.find(org)
        if shop is None or len(body) > MAX_BODY or not is_signed(body, head.signature, shop.secrets):
            return None
        return self._record(head, body, org=org, shop=shop)

    def answer(self, failure: StoreAway | None, *, took_s: float, last: bool) -> bytes:
        """Count what `take` came to, and give its answer as it goes over the wire."""
        if failure is None:
            self._tally.acknowledged(took_s)
        else:
            self._tally.unanswered[type(failure).__name__] += 1
        return WIRE[failure is None, last]

    async def _shake_hands(self, scope: Scope, send: Send) -> None:
        """Haravan asks, before any shop is installed, whether we know the verify token."""
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = query.get("hub.verify_token", [""])[0].encode()
        known = bool(self._verify_token) and hmac.compare_digest(given, self._verify_token)
        if query.get("hub.mode") != ["subscribe"] or not known:
            await answer(send, 401, b"wrong verify token")
            return
        await answer(send, 200, query.get("hub.challenge", [""])[0].encode())

    async def _deliver(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        try:
            head = read_head(scope["headers"])
            body = await self._bodies.read(receive, announced=head.length)
            refusal = await self._take(head, body)
        except Left:
            return
        except BadBody as exc:
            self._tally.unanswered[type(exc).__name__] += 1
            await answer(send, exc.status, b"the body cannot be taken", CLOSE, RETRY_AFTER)
            return
        except StoreAway as exc:
            self._tally.unanswered[type(exc).__name__] += 1
            await answer(send, 503, AWAY, RETRY_AFTER)
            return
        if refusal is not None:
            await answer(send, 401, b"not signed by Haravan")
            return
        self._tally.acknowledged(perf_counter() - started)
        await send(OK_START)
        await send(OK_BODY)

    async def _take(self, head: Head, body: bytes) -> Refusal | None:
        """Record the delivery and mark its customer, or say why it is refused. Raises StoreAway."""
        self._require_fit()
        org = head.org or self._directory.org_of(head.domain)
        shop = self._directory.find(org)
        refusal = self._check(head, body, shop)
        if (refusal is not None or shop is None) and org and await self._directory.look_again():
            shop = self._directory.find(org)
            refusal = self._check(head, body, shop)
        if refusal is not None:
            self._refusals.refused(refusal, org=shop.org if shop else None)
            return refusal
        failure = await self._record(head, body, org=org, shop=shop)
        if failure is not None:
            raise failure
        return None

    def _check(self, head: Head, body: bytes, shop: Known | None) -> Refusal | None:
        """A shop's own secret is valid for that shop; the app's for every org, also for one we do not know."""
        secrets = shop.secrets if shop else self._directory.app_secrets
        if not secrets:
            return Refusal.NO_SECRET
        if looks_signed(head.signature) and is_signed(body, head.signature, secrets):
            return None
        return Refusal.BAD_SIGNATURE if head.signature else Refusal.NO_SIGNATURE

    def _record(self, head: Head, body: bytes, *, org: str, shop: Known | None) -> Confirmation:
        if shop is None:
            verdict = Verdict(note=Reason.UNKNOWN_SHOP if org else Reason.NO_ORG)
            home, stranger = STRANGERS, org
        else:
            verdict = judge(topic=head.topic, body=body, test=head.test)
            home, stranger = shop.org, ""
        sha256 = fingerprint(body)
        event = Event(
            verdict.customer,
            verdict.digest,
            verdict.updated_ms,
            identity(org=org, topic=head.topic, sha256=sha256),
            verdict.note,
            cause_of(head.topic),
            keep(Kept(head.topic, sha256, len(body), head.test, stranger)),
        )
        return self._ingest.put(home, event, topic=label(head.topic))
