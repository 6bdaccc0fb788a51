"""What a webhook delivery says: whether Haravan signed it, which one it is, and whom it asks us to look at."""

from __future__ import annotations

import hashlib
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
MAX_TIMESTAMP_MS: Final = (
    4_102_444_800_000  # 2100: a later `updated_at` is nonsense and must not make us wait
)


class IgnoredReason(StrEnum):
    """Why a signed delivery marks nobody; each is answered 200, since no retry could mend it."""

    NO_ORG = "ignored:no_org"
    UNKNOWN_SHOP = "ignored:unknown_shop"
    TEST = "ignored:test"
    UNREADABLE = "ignored:unreadable"
    NO_CUSTOMER = "ignored:no_customer"
    BAD_ID = "ignored:bad_id"
    UNINSTALLED = "ignored:uninstalled"


class RejectionReason(StrEnum):
    """Why a request is answered 401 or 415: it is counted, and nothing of it is kept."""

    NO_SIGNATURE = "no_signature"
    BAD_SIGNATURE = "bad_signature"
    NO_SECRET = "no_secret"  # noqa: S105  # the absence of one
    CONTENT_ENCODING = (
        "content_encoding"  # answered 415: nobody says whether the signature covers the packed body
    )


class DeliveryContent(NamedTuple):
    """What a signed body says. With a `note` nobody is marked, and the note is the recorded outcome."""

    customer: str = ""  # "" = the body names none
    digest: str = ""  # of the visible fields; "" = not all of them were there to be seen
    updated_ms: str = "0"
    ignored_reason: str = ""


class DeliveryRecord(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What is stored of a delivery, as msgpack: digests, never the body. New fields go to the end."""

    topic: str
    digest: bytes  # HMAC-SHA256 of the raw body: what the signature header spells in base64
    size: int
    test: bool = False
    org: str = ""  # as the header had it, where that is not the shop it is recorded under


def has_signature_format(given: bytes) -> bool:
    """Whether this is base64 of 32 bytes; what is not is refused without any reckoning."""
    return SIGNATURE.fullmatch(given) is not None


def signature_digest(body: bytes, signature: bytes, secrets: Iterable[bytes]) -> bytes | None:
    """The HMAC-SHA256 digest of the body if `signature` is its base64 for one of the secrets, else None.

    The comparison takes constant time. Source: haravan.md, Webhooks. A text of another length than base64 of 32 bytes
    is refused without computing anything, so that a wrong one costs no more than a right one.
    """
    if len(signature) != SIGNATURE_LENGTH:
        return None
    for secret in secrets:
        digest = hmac.digest(secret, body, "sha256")
        if hmac.compare_digest(b64encode(digest), signature):
            return digest
    return None


def delivery_id(*, org: str, topic: str, digest: bytes) -> bytes:
    """The identity of a delivery, to label duplicates: Haravan sends neither an id nor a time (haravan.md, Webhooks).

    `digest` is that of the signature. Six bytes of the identity stand for org and topic, ten for the body: enough, and
    three days of them stay in memory.
    """
    return _whence(org, topic) + digest[:10]


@lru_cache(maxsize=4096)  # a shop's webhooks have the same few topics
def _whence(org: str, topic: str) -> bytes:
    """Headers hold no line break, so the two cannot run into one another."""
    return hashlib.sha256(f"{org}\n{topic}".encode()).digest()[:6]


def encode_delivery(record: DeliveryRecord) -> bytes:
    """The bytes that are stored of a delivery."""
    return _ENCODER.encode(record)


def decode_delivery(blob: bytes) -> DeliveryRecord:
    """What `keep` stored; raises Unreadable."""
    try:
        return _KEPT.decode(blob)
    except msgspec.MsgspecError as exc:
        raise MalformedData("the stored delivery cannot be read") from exc


def normalize_topic(header: bytes) -> str:
    """The topic as we compare, count and store it; it is unsigned, so it may be anything."""
    return _tidy(header[:MAX_TOPIC])


@lru_cache(maxsize=256)
def _tidy(header: bytes) -> str:
    text = header.decode("ascii", "replace").strip().lower()
    return text if text.isprintable() else ""


def parse_delivery(*, topic: str, body: bytes, test: bool) -> DeliveryContent:
    """Read a signed body: whom to look at, or why nobody.

    Topics are hints, since only the body is signed: `customers/*` says that the bare object is a customer,
    any other body names one by `customer.id`. A deletion is always news, whatever its body shows: the record as it
    was last would pass for an echo.
    """
    if test:
        return DeliveryContent(ignored_reason=IgnoredReason.TEST)
    if topic.startswith("customers/"):
        record = parse_typed_record(body)
        if record is not None:
            digest = "" if topic == DELETED else _digest(record)
            return DeliveryContent(str(record.customer.id), digest, _updated(record))
    try:
        told = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return DeliveryContent(ignored_reason=IgnoredReason.UNREADABLE)
    if topic == "app/uninstalled":
        return DeliveryContent(ignored_reason=IgnoredReason.UNINSTALLED)
    nested, about_one = told.get("customer"), topic.startswith("customers/")
    whole = about_one and topic != DELETED
    if isinstance(nested, dict):
        return _customer(nested, whole=whole)
    if about_one:
        return _customer(told, whole=whole)
    return DeliveryContent(ignored_reason=IgnoredReason.NO_CUSTOMER)


def mark_cause(topic: str) -> str:
    """Why a delivery marks its customer: an announced deletion is no reason to doubt a 404."""
    return "deletion" if topic == DELETED else "delivery"


def _customer(told: Mapping[str, object], *, whole: bool) -> DeliveryContent:
    """Mark whoever has a good id, however odd the other fields are: we fetch the record anyway.

    An order's copy of its customer is not that customer's present state, so only a whole one has a digest.
    """
    try:
        customer = str(parse_customer_id(told.get("id")))
    except MalformedData:
        return DeliveryContent(
            ignored_reason=IgnoredReason.BAD_ID if "id" in told else IgnoredReason.NO_CUSTOMER
        )
    try:
        record = record_from_mapping(told)
        return DeliveryContent(customer, _digest(record) if whole else "", _updated(record))
    except (MalformedData, UnicodeError):
        return DeliveryContent(customer)


def _digest(record: CustomerRecord) -> str:
    return record.digest or ""


def _updated(record: CustomerRecord) -> str:
    moment = record.customer.updated_ms or 0
    return str(moment) if 0 < moment <= MAX_TIMESTAMP_MS else "0"


_DECODER: Final = msgspec.json.Decoder(dict[str, object], float_hook=exact_decimal)
_ENCODER: Final = msgspec.msgpack.Encoder()
_KEPT: Final = msgspec.msgpack.Decoder(DeliveryRecord)
