"""Webhook deliveries: whether Haravan signed one, its identity, and the customer that it marks."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from service.domain.customers import (
    CustomerRecord,
    decode_leniently,
    exact_decimal,
    parse_customer_id,
    parse_typed_record,
    record_from_mapping,
)
from service.errors import MalformedData

SIGNATURE: Final = re.compile(rb"[A-Za-z0-9+/]{43}=")
SIGNATURE_LENGTH: Final = 44  # base64 of the 32 bytes of SHA-256; hex and SHA-1 have other lengths
MAX_BODY: Final = 1024 * 1024
MAX_TOPIC: Final = 64
DELETED: Final = "customers/delete"
# The year 2100. A later `updated_at` is nonsense; waiting for a record as new as that would never end.
MAX_TIMESTAMP_MS: Final = 4_102_444_800_000


class IgnoredReason(StrEnum):
    """Why a signed delivery marks no customer. It is answered 200, because a retry would not help."""

    NO_ORG = "ignored:no_org"
    UNKNOWN_SHOP = "ignored:unknown_shop"
    TEST = "ignored:test"
    UNREADABLE = "ignored:unreadable"
    NO_CUSTOMER = "ignored:no_customer"
    BAD_ID = "ignored:bad_id"
    UNINSTALLED = "ignored:uninstalled"


class RejectionReason(StrEnum):
    """Why a request is answered 401 or 415. It is counted, and nothing of it is stored."""

    NO_SIGNATURE = "no_signature"
    BAD_SIGNATURE = "bad_signature"
    NO_SECRET = "no_secret"  # noqa: S105  # the absence of one
    # Answered 415: the body is compressed, as its header or its bytes say. It is not documented what its signature covers.
    CONTENT_ENCODING = "content_encoding"


class DeliveryContent(NamedTuple):
    """What a signed body says. With an `ignored_reason` no customer is marked."""

    customer: str = ""  # empty: the body names none
    digest: str = ""  # of the visible fields; empty: the body lacks some of them
    updated_ms: str = "0"
    ignored_reason: str = ""  # recorded as the outcome of the delivery


class DeliveryRecord(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What is stored of a delivery, as msgpack: digests, never the body. New fields go to the end."""

    topic: str
    digest: bytes  # HMAC-SHA256 of the raw body: what the signature header spells in base64
    size: int
    test: bool = False
    org: str = ""  # from the header, if it is not the shop under which the delivery is recorded
    traceparent: str = ""  # refers to the span of its request, if that is traced


def has_signature_format(given: bytes) -> bool:
    """Whether this is base64 of 32 bytes. Anything else is refused before a digest is computed."""
    return SIGNATURE.fullmatch(given) is not None


def signature_digest(body: bytes, signature: bytes, secrets: Iterable[bytes]) -> bytes | None:
    """The HMAC-SHA256 digest of the body if `signature` is its base64 for one of the secrets, else None.

    The comparison takes constant time. A signature of another length is refused without computing a digest.
    Source: haravan.md, Webhooks.
    """
    if len(signature) != SIGNATURE_LENGTH:
        return None
    for secret in secrets:
        code = _keyed_hmac(secret).copy()
        code.update(body)
        digest = code.digest()
        if hmac.compare_digest(b64encode(digest), signature):
            return digest
    return None


@lru_cache(maxsize=4096)
def _keyed_hmac(secret: bytes) -> hmac.HMAC:
    """To be copied for each body: this saves the work on the key."""
    return hmac.new(secret, digestmod="sha256")


def delivery_id(digest: bytes) -> bytes:
    """The identity of a delivery, to find repeats: 16 bytes of the digest that its signature spells.

    Haravan sends neither an id nor a time (haravan.md, Webhooks). Only the body is signed: a captured delivery can
    be sent under any topic and for any shop that shares the secret.
    """
    return digest[:16]


def encode_delivery(record: DeliveryRecord) -> bytes:
    """The bytes to store of a delivery."""
    return _ENCODER.encode(record)


def decode_delivery(data: bytes) -> DeliveryRecord:
    """Decode the stored bytes of a delivery. Raise MalformedData if they are damaged."""
    try:
        return _RECORD_DECODER.decode(data)
    except msgspec.MsgspecError as exc:
        raise MalformedData("the stored delivery cannot be read") from exc


def normalize_topic(header: bytes) -> str:
    """The topic as we compare, count and store it: lower case, at most 64 characters. It is unsigned: trust no value."""
    return _normalize(header[:MAX_TOPIC])


@lru_cache(maxsize=256)
def _normalize(header: bytes) -> str:
    text = header.decode("ascii", "replace").strip().lower()
    return text if text.isprintable() else ""


def parse_delivery(*, topic: str, body: bytes, test: bool) -> DeliveryContent:
    """Parse a signed body: the customer to mark, or why there is none.

    A topic is a hint, because only the body is signed. With `customers/*` the body is a customer; any other body names
    one by `customer.id`. A deletion has no digest: its body shows the last record, so it would pass for an echo.
    """
    if test:
        return DeliveryContent(ignored_reason=IgnoredReason.TEST)
    if topic.startswith("customers/"):
        record = _typed_record(body)
        if record is not None:
            digest = "" if topic == DELETED else _digest(record)
            return DeliveryContent(str(record.customer.id), digest, _updated_ms(record))
    content, is_exact = _decode(body), True
    if content is None:
        content, is_exact = _decode_leniently(body), False
    if content is None:
        return DeliveryContent(ignored_reason=IgnoredReason.UNREADABLE)
    if topic == "app/uninstalled":
        return DeliveryContent(ignored_reason=IgnoredReason.UNINSTALLED)
    nested, is_customer_topic = content.get("customer"), topic.startswith("customers/")
    is_current = is_exact and is_customer_topic and topic != DELETED
    if isinstance(nested, dict):
        return _parse_customer(nested, is_current=is_current)
    if is_customer_topic:
        return _parse_customer(content, is_current=is_current)
    return DeliveryContent(ignored_reason=IgnoredReason.NO_CUSTOMER)


def is_compressed(body: bytes) -> bool:
    """Whether the bytes of an unreadable body are those of a compression (gzip, deflate, br, zstd): they are no UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False


def mark_cause(topic: str) -> str:
    """The cause of the mark. After an announced deletion a 404 is expected, so it gives no reason to pause the shop."""
    return "deletion" if topic == DELETED else "delivery"


def _parse_customer(content: Mapping[str, object], *, is_current: bool) -> DeliveryContent:
    """A valid id is enough to mark the customer, however odd the other fields are: the drain fetches the record.

    Only with `is_current` the content has a digest: an order has an older copy of its customer, and a lenient reading
    changes values.
    """
    try:
        customer = str(parse_customer_id(content.get("id")))
    except MalformedData:
        return DeliveryContent(
            ignored_reason=IgnoredReason.BAD_ID if "id" in content else IgnoredReason.NO_CUSTOMER
        )
    try:
        record = record_from_mapping(content)
        return DeliveryContent(customer, _digest(record) if is_current else "", _updated_ms(record))
    except Exception:  # noqa: BLE001  # one customer's record: the drain reads it again, and stores what is wrong with it
        return DeliveryContent(customer)


def _typed_record(body: bytes) -> CustomerRecord | None:
    try:
        return parse_typed_record(body)
    except Exception:  # noqa: BLE001  # one customer's record: the id is read without the other fields
        return None


def _decode(body: bytes) -> Mapping[str, object] | None:
    """The JSON object of a body, None if it is not valid JSON."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _decode_leniently(body: bytes) -> Mapping[str, object] | None:
    """The JSON object of a body that strict decoders refuse, None if there is none. The time is linear."""
    try:
        content = decode_leniently(body)
    except MalformedData:
        return None
    return content if isinstance(content, dict) else None


def _digest(record: CustomerRecord) -> str:
    return record.digest or ""


def _updated_ms(record: CustomerRecord) -> str:
    updated_ms = record.customer.updated_ms or 0
    return str(updated_ms) if 0 < updated_ms <= MAX_TIMESTAMP_MS else "0"


_DECODER: Final = msgspec.json.Decoder(dict[str, object], float_hook=exact_decimal)
_ENCODER: Final = msgspec.msgpack.Encoder()
_RECORD_DECODER: Final = msgspec.msgpack.Decoder(DeliveryRecord)
