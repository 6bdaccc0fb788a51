"""The signature of a webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac


def sign(body: bytes, secret: str) -> str:
    """`base64(HMAC-SHA256(raw body, UTF-8 bytes of the secret))`, the value of X-Haravan-HmacSha256."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
