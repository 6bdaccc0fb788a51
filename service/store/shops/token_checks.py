"""Checks of access tokens: a web process asks, a worker asks Haravan, and the web process reads the answer.

The token is not the shop's yet. So it is sealed with a data key of its own, and all of it is forgotten after a minute.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Final

import msgspec

from service.domain.customers import OrgId
from service.store import encryption
from service.store.client import DRAIN_QUEUE, RedisClient, keys
from service.store.encryption import KeyRing
from service.store.shops.model import Dialect, Shop

TOKEN_CHECK_JOB: Final = "token_check"  # noqa: S105  # the name of a job
TTL_S: Final = 60
FRONT_OF_QUEUE: Final = datetime.fromtimestamp(1, UTC)  # a person waits, and drains do not
FIELD: Final = "token_check"


class TokenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What Haravan says about a token.

    `owner` is the org id of its shop, "" if the API does not say. `rejected` says why Haravan rejects it, and `unanswered`
    why there is no answer.
    """

    owner: str = ""
    missing_scopes: tuple[str, ...] = ()
    rejected: str = ""
    unanswered: str = ""


class _Question(msgspec.Struct, frozen=True):
    """What a worker needs to ask Haravan."""

    dialect: Dialect
    api_url: str
    reserve: int
    shadow: bool
    token: bytes
    data_keys: dict[bytes, bytes]


async def ask(redis: RedisClient, keyring: KeyRing, shop: Shop) -> str:
    """Ask a worker about the token of a shop, which need not be stored. Returns the id of the check.

    Raises InvalidSettings without SECRET_KEY.
    """
    check, data_keys = secrets.token_hex(8), encryption.new_data_key(keyring, shop.org)
    cipher = encryption.open_cipher(keyring, shop.org, data_keys)
    token = cipher.seal(shop.token.encode(), field=FIELD)
    question = _Question(shop.dialect, shop.api_url, shop.reserve, shop.shadow, token, data_keys)
    await redis.set(_key(shop.org, check), msgspec.msgpack.encode(question), ex=TTL_S)
    await redis.queue.enqueue_job(
        TOKEN_CHECK_JOB,
        shop.org,
        check,
        _job_id=f"{TOKEN_CHECK_JOB}:{shop.org}:{check}",
        _queue_name=DRAIN_QUEUE,
        _defer_until=FRONT_OF_QUEUE,
        _expires=TTL_S,
    )
    return check


async def load_question(redis: RedisClient, keyring: KeyRing, org: OrgId, check: str) -> Shop | None:
    """The shop to ask about, as far as a call of its API needs it. None if nobody waits for the answer any more."""
    stored = await redis.get(_key(org, check))
    if stored is None:
        return None
    question = msgspec.msgpack.decode(stored, type=_Question)
    cipher = encryption.open_cipher(keyring, org, question.data_keys)
    return Shop(
        org=org,
        name="",
        dialect=question.dialect,
        api_url=question.api_url,
        token=cipher.open(question.token, field=FIELD).decode(),
        reserve=question.reserve,
        shadow=question.shadow,
    )


async def save_answer(redis: RedisClient, org: OrgId, check: str, answer: TokenAnswer) -> None:
    """Store the answer for the process that asked."""
    await redis.set(_answer_key(org, check), msgspec.msgpack.encode(answer), ex=TTL_S)


async def load_answer(redis: RedisClient, org: OrgId, check: str) -> TokenAnswer | None:
    """The answer; None if there is none yet."""
    stored = await redis.get(_answer_key(org, check))
    return None if stored is None else msgspec.msgpack.decode(stored, type=TokenAnswer)


async def forget(redis: RedisClient, org: OrgId, check: str) -> None:
    """Delete what is stored of a check."""
    await redis.delete(_key(org, check), _answer_key(org, check))


def _key(org: OrgId, check: str) -> str:
    return keys.shop(org, f"token_check:{check}")


def _answer_key(org: OrgId, check: str) -> str:
    return keys.shop(org, f"token_answer:{check}")
