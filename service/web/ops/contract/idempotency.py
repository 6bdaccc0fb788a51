"""`Idempotency-Key`: a repeated request gets the first answer and changes nothing (draft-ietf-httpapi-idempotency-key-header).

The routes carry it out for every endpoint that changes something. A key belongs to the token that sends it. The answers are
sealed with a key that is made of the bearer token, because they may have secrets, and of tokens only digests are stored.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec
import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from redis.exceptions import RedisError

from service.context import Context
from service.store.access import answers
from service.web.ops.contract.requests import RawRequest, RawResponse
from service.web.problems import Problem

MAX_ANSWER: Final = 64 * 1024  # bytes when compressed; a larger one, of a dry run, is not kept
RETRY_AFTER_S: Final = 2
NONCE_BYTES: Final = 12
REPLAYED: Final = {"Idempotency-Replayed": "true"}
_KEY: Final = re.compile("[\x21-\x7e]{1,255}")


class IdempotencyKey(NamedTuple):
    """The key of a request, and what is derived from it and the bearer token."""

    owner: str
    digest: str
    secret: bytes


def parse_key(header: str | None, *, bearer: str) -> IdempotencyKey | None:
    """The key of the header: a string between quotes (RFC 8941), or the bare text. None without the header.

    Raises Problem 400.
    """
    if header is None:
        return None
    text = header.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not _KEY.fullmatch(text):
        raise Problem(
            "invalid-header",
            "`Idempotency-Key` is wrong: send 1 to 255 visible ASCII characters, such as a UUID",
        )
    owner, digest, secret = (
        hmac.digest(bearer.encode(), part.encode(), "sha256")
        for part in ("owner", f"key {text}", f"seal {text}")
    )
    return IdempotencyKey(owner.hex()[:32], digest.hex()[:32], secret)


async def answer_once(
    context: Context,
    raw: RawRequest,
    key: IdempotencyKey | None,
    execute: Callable[[], Awaitable[RawResponse]],
) -> RawResponse:
    """The answer to a request: that of `execute`, or the kept one if the same request came before with this key.

    Kept for a day are final answers: success, and every error of the request. After an error of the service (5xx) the
    request may be sent again with its key. Raises Problem 409 while the first one is in progress, 422 for another request.
    """
    if key is None:
        return await execute()
    redis, fingerprint = context.redis, _fingerprint(raw, key)
    known = await answers.begin(redis, key.owner, key.digest, fingerprint, now_ms=await context.now_ms())
    if known is not None:
        return _replay(known, key, fingerprint)
    try:
        reply = await execute()
    except Exception:
        await answers.forget(redis, key.owner, key.digest)
        raise
    sealed = _seal(reply, key, fingerprint)
    try:
        if reply.status >= 500 or len(sealed) > MAX_ANSWER:
            await answers.forget(redis, key.owner, key.digest)
        else:
            answer = answers.Answer(fingerprint, sealed)
            await answers.complete(redis, key.owner, key.digest, answer, now_ms=await context.now_ms())
    except (RedisError, OSError) as exc:  # what was asked for is done, so its answer is given
        structlog.get_logger().warning("answer_not_kept", cause=type(exc).__name__)
    return reply


def _replay(known: answers.Answer, key: IdempotencyKey, fingerprint: bytes) -> RawResponse:
    if not hmac.compare_digest(known.fingerprint, fingerprint):
        raise Problem(
            "idempotency-key-reused",
            "this `Idempotency-Key` was sent with another request: choose a new key for each new request",
        )
    if not known.sealed:
        raise Problem(
            "request-in-progress",
            "the same request is still in progress: ask again with the same key",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    nonce, ciphertext = known.sealed[:NONCE_BYTES], known.sealed[NONCE_BYTES:]
    packed = zlib.decompress(AESGCM(key.secret).decrypt(nonce, ciphertext, fingerprint))
    reply = msgspec.msgpack.decode(packed, type=RawResponse)
    return msgspec.structs.replace(reply, headers=reply.headers | REPLAYED)


def _seal(reply: RawResponse, key: IdempotencyKey, fingerprint: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    packed = zlib.compress(msgspec.msgpack.encode(reply))
    return nonce + AESGCM(key.secret).encrypt(nonce, packed, fingerprint)


def _fingerprint(raw: RawRequest, key: IdempotencyKey) -> bytes:
    """What makes two requests the same: endpoint, path, query, body and conditions."""
    same = (raw.endpoint, raw.path, raw.query, raw.body, raw.if_match)
    return hmac.digest(key.secret, msgspec.msgpack.encode(same), hashlib.sha256)
