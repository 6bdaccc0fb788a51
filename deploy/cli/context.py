"""What a command works with: settings, Redis, the shops, and a shop's API. Opened and closed by each command."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from deploy.cli.exit_codes import UsageError
from deploy.cli.output import print_note
from deploy.local import local_redis_url, local_secret_key
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.context import Context
    from service.domain import customers
    from service.operations import AskAboutToken
    from service.settings import Settings
    from service.store.client import RedisClient
    from service.store.encryption import KeyRing
    from service.store.rules import Versions
    from service.store.shops import Shop, ShopRepository, TokenAnswer
    from workers.haravan import Call, Dialect, Haravan, WaitingPermits

    CustomerId = customers.CustomerId
    OrgId = customers.OrgId
else:  # typer evaluates annotations, and importing these types would slow down every command
    CustomerId, OrgId = int, str

T = TypeVar("T")


def parse_org_id(text: str) -> OrgId:
    """Raises UsageError if the text is not an org id."""
    from service.domain.customers import OrgId

    if not (text.isascii() and text.isdigit()):
        raise UsageError(
            Sentence(
                "{text!r} is not an org id: an org id has only digits, as in X-Haravan-Org-Id", text=text
            )
        )
    return OrgId(text)


def parse_customer_id(text: str) -> CustomerId:
    """Raises UsageError if the text is not a customer id."""
    from service.domain.customers import parse_customer_id
    from service.errors import MalformedData

    try:
        return parse_customer_id(text.strip())
    except MalformedData as exc:
        raise UsageError(
            Sentence("{text!r} is not a customer id: write a positive whole number", text=text.strip())
        ) from exc


def parse_customer_ids(text: str) -> list[CustomerId]:
    """Ids between commas. Raises UsageError if one of them is not a customer id."""
    return [parse_customer_id(part) for part in text.split(",") if part.strip()]


# Parsed before anything is opened: a wrong id is a usage error, also if Redis does not answer.
Org = Annotated[
    OrgId,
    typer.Argument(metavar="ORG", parser=parse_org_id, help="The shop: its org id, as in X-Haravan-Org-Id."),
]
Customer = Annotated[
    CustomerId, typer.Argument(metavar="CUSTOMER", parser=parse_customer_id, help="The customer's id.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@dataclass(frozen=True, slots=True)
class CliContext:
    """Everything that is open while a command runs."""

    settings: Settings
    redis: RedisClient
    shops: ShopRepository
    versions: Versions

    @property
    def context(self) -> Context:
        """The same, as the rooms of the service take it."""
        from service.context import Context

        return Context(self.redis, self.shops, self.versions, settings=self.settings)


@dataclass(frozen=True, slots=True)
class ShopApi:
    """One shop's API, open while a command runs. It shares the call limit with the workers."""

    cli: CliContext
    shop: Shop
    client: Haravan
    permits: WaitingPermits

    @property
    def dialect(self) -> Dialect:
        """The calls of this shop's API."""
        return self.client.dialect

    async def perform(self, call: Call[T]) -> T:
        """Make one call as soon as the call limit allows it. Raises HaravanError."""
        return await self.client.perform(call, self.permits)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine. Commands import what they need before it, while `main` has switched off the collector."""
    gc.enable()
    return asyncio.run(work)


@asynccontextmanager
async def open_context(*, any_layout: bool = False) -> AsyncIterator[CliContext]:
    """Connect to the Redis server of REDIS_URL, otherwise to the one of a running `tagger up`.

    Raises StoreUnavailable. Raises Refused if the data has the layout of another version, unless `any_layout`.
    """
    from service.settings import is_set, read_settings
    from service.store.client import connect
    from service.store.encryption import KeyRing
    from service.store.rules import Versions
    from service.store.shops import ShopRepository

    _log_only_warnings()
    environ = dict(os.environ)
    if not is_set(environ, "SECRET_KEY") and (key := local_secret_key()):
        environ["SECRET_KEY"] = key
    settings = read_settings(environ)
    local_url = None if is_set(environ, "REDIS_URL") else local_redis_url()
    settings = replace(settings, redis_url=local_url) if local_url else settings
    redis = connect(settings.redis_url, queue_url=settings.queue_url)
    try:
        keyring = KeyRing(settings.secret_keys)
        await _check_store(redis, keyring, any_layout=any_layout)
        yield CliContext(settings, redis, ShopRepository(redis, keyring), Versions(redis))
    finally:
        await redis.aclose()


@asynccontextmanager
async def open_shop_api(org: OrgId) -> AsyncIterator[ShopApi]:
    """Open Redis and the API of a stored shop. Raises NotFound, StoreUnavailable."""
    async with open_context() as cli:
        shop = await cli.shops.get_or_raise(org)
        async with open_api(cli, shop) as api:
            yield api


@asynccontextmanager
async def open_api(cli: CliContext, shop: Shop) -> AsyncIterator[ShopApi]:
    """Open the API of a shop, which need not be stored yet."""
    from service.store.queue import RateLimiter
    from workers.haravan import Haravan, WaitingPermits, open_session

    async with open_session() as session:
        permits = WaitingPermits(RateLimiter(cli.redis), shop.org, lane="live", reserve=shop.reserve)
        yield ShopApi(cli, shop, Haravan.for_shop(shop, session), permits)


OTHER_STORE: Final = {
    "layout_newer": Sentence(
        "the data has the layout of a newer version of this program: Use the newer version"
    ),
    "layout_older": Sentence(
        "the data has the layout of an earlier version: make a backup, and run: tagger migrate"
    ),
    "moved": Sentence("the data is being moved to another store: wait, or see tagger store move --help"),
    "arriving": Sentence(
        "a move of the data to this store is not complete: wait, or see tagger store move --help"
    ),
}


def ask_haravan(cli: CliContext) -> AskAboutToken:
    """Asks Haravan about the token of a shop. It raises HaravanError, also for a token that is not valid.

    It prints a note if the API cannot say to which shop the token belongs.
    """
    from workers.haravan import ask_about_token

    async def ask(shop: Shop) -> TokenAnswer:
        async with open_api(cli, shop) as api:
            answer = await ask_about_token(api.client, api.permits, shop)
        if not answer.owner:
            print_note(
                "Note: the API does not say to which shop the token belongs. Make sure that it is shop {org}.",
                org=shop.org,
            )
        return answer

    return ask


async def server_time_ms(cli: CliContext) -> int:
    """The time of the Redis server, which all processes of the service use."""
    from service.store.client import server_time_ms as load_time_ms

    return await load_time_ms(cli.redis)


def _log_only_warnings() -> None:
    """Write warnings to stderr and no other log lines, because stdout is for the command's result."""
    import logging

    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def _check_store(redis: RedisClient, keyring: KeyRing, *, any_layout: bool) -> None:
    from redis.exceptions import RedisError

    from service.errors import Refused, StoreUnavailable
    from service.store.client import evaluate_layout, load_layout

    try:
        layout = await load_layout(redis)
        if layout.has_left:
            from service.store.move import follow

            if await follow(redis, keyring, wait_s=0):
                layout = await load_layout(redis)
        problems = evaluate_layout(layout)
        if problems and not any_layout:
            raise Refused(OTHER_STORE[problems[0].name])
    except (RedisError, OSError) as exc:
        raise StoreUnavailable(
            Sentence(
                "Redis does not answer. Is REDIS_URL correct, and is the server running? `tagger up` starts its own server"
            )
        ) from exc
