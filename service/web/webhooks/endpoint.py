"""The webhook endpoint: verifies the signature, stores the delivery, marks its customer, then answers 200.

What Haravan does after each answer: haravan.md, Webhooks.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send

from service.domain.sync import (
    MAX_BODY,
    DeliveryContent,
    DeliveryRecord,
    IgnoredReason,
    RejectionReason,
    delivery_id,
    encode_delivery,
    has_signature_format,
    is_compressed,
    mark_cause,
    normalize_topic,
    parse_delivery,
    signature_digest,
)
from service.errors import OverQuota, StoreFull, StoreUnavailable
from service.ingest import GroupCommit, QueueFull
from service.runtime import current_traceparent
from service.store.history import UNKNOWN_SHOP
from service.store.queue import DirtyEvent
from service.web.webhooks.metrics import WebhookMetrics, topic_label
from service.web.webhooks.rejections import RejectionTracker
from service.web.webhooks.shop_cache import ShopCache, WebhookShop

PATH: Final = "/webhooks/haravan"
MAX_ORG_DIGITS: Final = 19
MAX_UNFINISHED: Final = 64 * 1024 * 1024  # bytes of incomplete bodies, all requests together
SMALL_BODY: Final = (
    64 * 1024
)  # bytes; never refused, as all connections together hold at most 60 MiB of such bodies

ACCEPTED_START: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", b"0")],  # each header costs a microsecond
}
ACCEPTED_BODY: Final = {"type": "http.response.body", "body": b""}
RETRY_AFTER: Final = (b"retry-after", b"1")
ACCEPT_ENCODING: Final = (b"accept-encoding", b"identity")  # in an answer: RFC 9110, 12.5.3
CLOSE: Final = (b"connection", b"close")
GZIP: Final = b"\x1f\x8b"


class WebhookHeaders(NamedTuple):
    """The headers that the endpoint uses. None of them is signed."""

    topic: str
    org: str  # "" if missing or not a number
    domain: str
    signature: bytes
    is_test: bool
    length: bytes
    encoding: bytes


class _Rejected(Exception):
    """The request is answered 401 or 415."""

    def __init__(self, reason: RejectionReason) -> None:
        self.reason = reason


class _UnusableBody(Exception):
    """The body is too large or incomplete. `status` is the answer, 0 if the client disconnected."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason


class WebhookEndpoint:
    """ASGI application for the webhook path, used as the endpoint of a Starlette `Route`."""

    def __init__(
        self,
        *,
        ingest: GroupCommit,
        shops: ShopCache,
        rejections: RejectionTracker,
        metrics: WebhookMetrics,
        verify_token: str,
        max_unfinished: int = MAX_UNFINISHED,
    ) -> None:
        self._ingest = ingest
        self._shops = shops
        self._rejections = rejections
        self._metrics = metrics
        self._verify_token = verify_token.encode()
        self._max_unfinished = max_unfinished
        self._unfinished = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "POST":
            await self._deliver(scope, receive, send)
        elif method == "GET":
            await self._handshake(scope, send)
        else:
            await _answer(send, 405, b"use GET or POST", (b"allow", b"GET, POST"))

    async def _deliver(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = parse_headers(scope["headers"])
        try:
            self._check_headers(headers)
            message = await receive()
            body: bytes = message.get("body", b"")
            if message["type"] == "http.disconnect" or message.get("more_body") or len(body) > MAX_BODY:
                body = await self._read_rest(message, receive)
            await self.accept(headers, body)
        except _Rejected as exc:
            if exc.reason is RejectionReason.CONTENT_ENCODING:
                await _answer(send, 415, b"send the body uncompressed", ACCEPT_ENCODING)
            else:
                await _answer(send, 401, b"not signed by Haravan")
        except _UnusableBody as exc:
            if exc.status:
                self._metrics.failed.labels(exc.reason).inc()
                await _answer(send, exc.status, b"the body cannot be accepted", CLOSE, RETRY_AFTER)
        except StoreUnavailable as exc:
            self._metrics.failed.labels(_failure_reason(exc)).inc()
            await _answer(send, 503, b"not stored: send it again", RETRY_AFTER)
        else:
            await send(ACCEPTED_START)
            await send(ACCEPTED_BODY)

    async def accept(self, headers: WebhookHeaders, body: bytes) -> None:
        """Verify a delivery, store it and mark its customer. Returns when it is on disk.

        Raises StoreUnavailable, and an error of this module if the delivery is rejected.
        """
        org = headers.org or self._shops.org_for_domain(headers.domain)
        shop = self._shops.get(org)
        digest = signature_digest(body, headers.signature, shop.secrets) if shop else None
        if digest is None:
            # The shop or its secret may be new, or the app's secret signed for an unknown shop.
            await self._shops.refresh()
            org = headers.org or self._shops.org_for_domain(headers.domain)
            self._shops.require_read(org)
            shop = self._shops.get(org)
            secrets = shop.secrets if shop else self._shops.app_secrets
            digest = signature_digest(body, headers.signature, secrets)
            if digest is None:
                compressed = body.startswith(GZIP)  # its signature may be that of the uncompressed body
                raise self._rejected(
                    RejectionReason.CONTENT_ENCODING if compressed else RejectionReason.BAD_SIGNATURE, shop
                )
        event = build_event(headers, body, org=org, shop=shop, digest=digest)
        if event.note == IgnoredReason.UNREADABLE and is_compressed(body):
            raise self._rejected(RejectionReason.CONTENT_ENCODING, shop)
        if shop is None:
            self._rejections.record_unknown_shop(org)
        error = await self._ingest.submit(
            shop.org if shop else UNKNOWN_SHOP, event, topic=topic_label(headers.topic)
        )
        if error is not None:
            raise error

    def _check_headers(self, headers: WebhookHeaders) -> None:
        """Reject what can be rejected before the body arrives: anyone can send half a request and withhold the rest."""
        if headers.encoding and headers.encoding != b"identity":
            raise self._rejected(RejectionReason.CONTENT_ENCODING, self._shops.get(headers.org))
        if not has_signature_format(headers.signature):
            reason = RejectionReason.BAD_SIGNATURE if headers.signature else RejectionReason.NO_SIGNATURE
            raise self._rejected(reason, self._shops.get(headers.org))
        if len(headers.length) >= 7 and int(headers.length) > MAX_BODY:
            raise _UnusableBody(413, "body_too_large")

    def _rejected(self, reason: RejectionReason, shop: WebhookShop | None) -> _Rejected:
        if reason is not RejectionReason.CONTENT_ENCODING and not (
            shop.secrets if shop else self._shops.app_secrets
        ):
            reason = RejectionReason.NO_SECRET
        self._rejections.record(reason, org=shop.org if shop else None)
        return _Rejected(reason)

    async def _read_rest(self, message: Message, receive: Receive) -> bytes:
        """The whole body; `message` is its first piece. The connection bounds the time."""
        pieces: list[bytes] = []
        size = 0
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise _UnusableBody(0, "disconnected")
                piece: bytes = message.get("body", b"")
                pieces.append(piece)
                size += len(piece)
                self._unfinished += len(piece)
                if size > MAX_BODY:
                    raise _UnusableBody(413, "body_too_large")
                if not message.get("more_body"):
                    return b"".join(pieces)
                if size > SMALL_BODY and self._unfinished > self._max_unfinished:
                    raise _UnusableBody(503, "overloaded")
                message = await receive()
        finally:
            self._unfinished -= size

    async def _handshake(self, scope: Scope, send: Send) -> None:
        """Confirm the verify token: Haravan asks for it once, before any shop installs the app."""
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = query.get("hub.verify_token", [""])[0].encode()
        is_known = bool(self._verify_token) and hmac.compare_digest(given, self._verify_token)
        if query.get("hub.mode") != ["subscribe"] or not is_known:
            await _answer(send, 401, b"wrong verify token")
            return
        await _answer(send, 200, query.get("hub.challenge", [""])[0].encode())


def parse_headers(headers: Sequence[tuple[bytes, bytes]]) -> WebhookHeaders:
    """Read the headers in one pass. The old name of the signature counts only if the new one is missing."""
    values = dict(reversed(headers))  # the first of repeated headers counts
    org = values.get(b"x-haravan-org-id", b"").strip()
    signature = values.get(b"x-haravan-hmacsha256")
    if signature is None:
        signature = values.get(b"x-haravan-hmac-sha256", b"")
    return WebhookHeaders(
        normalize_topic(values.get(b"x-haravan-topic", b"")),
        org.decode() if len(org) <= MAX_ORG_DIGITS and org.isdigit() else "",
        values.get(b"haravan-shop-domain", b"").decode("latin-1"),
        signature.strip(),
        values.get(b"x-haravan-test", b"").strip().lower() == b"true",
        values.get(b"content-length", b""),
        values.get(b"content-encoding", b"").strip().lower(),
    )


def build_event(
    headers: WebhookHeaders, body: bytes, *, org: str, shop: WebhookShop | None, digest: bytes
) -> DirtyEvent:
    """What the mark script stores of a signed delivery. `org` comes from the headers. Without a shop no customer is marked."""
    topic = headers.topic
    if shop is None:
        content = DeliveryContent(ignored_reason=IgnoredReason.UNKNOWN_SHOP if org else IgnoredReason.NO_ORG)
    else:
        content = parse_delivery(topic=topic, body=body, test=headers.is_test)
    return DirtyEvent(
        content.customer,
        content.digest,
        content.updated_ms,
        delivery_id(digest),
        content.ignored_reason,
        mark_cause(topic),
        encode_delivery(
            DeliveryRecord(
                topic, digest, len(body), headers.is_test, "" if shop else org, current_traceparent()
            )
        ),
    )


def _failure_reason(exc: StoreUnavailable) -> str:
    """The reason of a 503 as a metric label."""
    reasons = {QueueFull: "overloaded", StoreFull: "store_full", OverQuota: "over_quota"}
    return reasons.get(type(exc), "store_unavailable")


async def _answer(send: Send, status: int, text: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Answer with a short plain text."""
    standard = ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text)))
    await send({"type": "http.response.start", "status": status, "headers": [*standard, *headers]})
    await send({"type": "http.response.body", "body": text})
