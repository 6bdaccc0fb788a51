"""What a command works on: the settings, the store, the shops; opened for one command and closed after it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from deploy.folders import data_folder, own_store_url

if TYPE_CHECKING:
    from arq.connections import ArqRedis

    from service.context import Context
    from service.domain.customers import CustomerId, OrgId
    from service.settings import Settings
    from service.store.shops import Shops
    from service.store.versions import Versions

T = TypeVar("T")

Org = Annotated[str, typer.Argument(metavar="ORG", help="The shop: its org id, as in X-Haravan-Org-Id.")]
Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@dataclass(frozen=True, slots=True)
class Access:
    """Everything that is open while a command runs."""

    settings: Settings
    redis: ArqRedis
    shops: Shops
    versions: Versions

    @property
    def context(self) -> Context:
        """What the use cases work with."""
        from service.context import Context

        return Context(self.redis, self.shops, self.versions)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end."""
    return asyncio.run(work)


@asynccontextmanager
async def opened() -> AsyncIterator[Access]:
    """Connect to the store that REDIS_URL names, else to the one that `tagger up` started here. Raises StoreAway."""
    from service.settings import read_settings
    from service.store.cipher import Cipher
    from service.store.connection import connect
    from service.store.shops import Shops
    from service.store.versions import Versions

    _keep_quiet()
    settings = read_settings(with_own_key(dict(os.environ)))
    own = None if os.environ.get("REDIS_URL") else own_store_url()
    settings = replace(settings, redis_url=own) if own else settings
    redis = connect(settings.redis_url, retries=1)
    try:
        await _greet(redis)
        cipher = Cipher(settings.secret_keys)
        yield Access(settings, redis, Shops(redis, cipher), Versions(redis))
    finally:
        await redis.aclose()


def with_own_key(environ: dict[str, str]) -> dict[str, str]:
    """Add the key that `tagger up` made for itself, where SECRET_KEY is not set."""
    kept = data_folder() / "secret_key"
    if not environ.get("SECRET_KEY") and kept.is_file():
        environ["SECRET_KEY"] = kept.read_text(encoding="ascii").strip()
    return environ


def _keep_quiet() -> None:
    """Log lines are for processes that run on; a command's stdout is for its answer."""
    import logging

    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def org_id(text: str) -> OrgId:
    """The org id as typed; raises Refused where it cannot be one."""
    from service.domain.customers import OrgId
    from service.errors import Refused

    if not (text.isascii() and text.isdigit()):
        raise Refused(f"{text!r} is no org id: it has digits only, as in X-Haravan-Org-Id")
    return OrgId(text)


def customer_id(text: str) -> CustomerId:
    """The customer id as typed; raises Refused where it cannot be one."""
    from service.domain.customers import read_id
    from service.errors import Refused, Unreadable

    try:
        return read_id(text.strip())
    except Unreadable as exc:
        raise Refused(f"{text.strip()!r} is no customer id: it is a positive whole number") from exc


async def now_ms(access: Access) -> int:
    """The store's time, as every process of the service tells it."""
    seconds, micros = await access.redis.time()
    return int(seconds) * 1000 + int(micros) // 1000


async def _greet(redis: ArqRedis) -> None:
    from redis.exceptions import RedisError

    from service.errors import StoreAway

    try:
        await redis.ping()
    except (RedisError, OSError) as exc:
        raise StoreAway(
            "the store does not answer: is REDIS_URL right, and is it running? `tagger up` starts one of its own"
        ) from exc
