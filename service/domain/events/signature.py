"""The signature of a request, after Standard Webhooks (spec/standard-webhooks.md, *Signature scheme*)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from service.domain.events.event import Event, encode_body

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # of the text that a receiver stores
SECRET_BYTES: Final = 32


def new_secret(random: bytes) -> str:
    """The text of a secret from 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(random).decode()


def sign(event: Event, secrets: Sequence[str], *, at_s: int) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a request that is sent at this time, with a signature for each secret."""
    body = encode_body(event)
    signatures = [f"v1,{signature(secret, event.id, at_s, body)}" for secret in secrets]
    return {
        "webhook-id": event.id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(signatures),
        "content-type": "application/json",
    }, body


def signature(secret: str, message: str, at_s: int, body: bytes) -> str:
    """The signature of a request in base64, without its version."""
    signed = f"{message}.{at_s}.".encode() + body
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
