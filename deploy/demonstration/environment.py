"""The environment of the demo: RedisClient, the sandbox, web and worker as real processes, and the subscription."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from deploy.demonstration import history
from deploy.local import (
    Supervisor,
    demo_folder,
    project_folder,
    service_processes,
    start_server,
    until,
    wait_until_ready,
)
from deploy.sandbox import Clock, HandshakeFailed, Sandbox, ShopHandle, serve
from service.context import Context
from service.domain.access import Role, shell_user
from service.domain.customers import OrgId
from service.domain.explain import Language
from service.domain.rules import RuleSet
from service.errors import Refused, StoreUnavailable
from service.operations import access
from service.seeding import seed
from service.sentence import Sentence
from service.settings import Settings, read_settings
from service.store.client import RedisClient, connect
from service.store.encryption import KeyRing
from service.store.rules import Versions
from service.store.shops import Shop, ShopRepository, save_first_look

ORG: Final = OrgId("1000000001")
PAST_ORG: Final = OrgId("1000000002")  # the shop with a past
USER: Final = "demo"  # of the pages
RULES_FILE: Final = Path(__file__).parent.parent / "rules" / "demo.yaml"
WEBHOOK_PATH: Final = "/webhooks/haravan"
PAST_CUSTOMERS: Final = 400
START_TIMEOUT_S: Final = 30.0

OnReady = Callable[[Sentence, Sentence, str], None]  # name of the part, description, address


@dataclass(frozen=True, slots=True)
class Options:
    """`once`: run one fixed day, check all customers and exit. Otherwise run until Ctrl-C."""

    once: bool = False
    customers: int = 500
    port: int = 0  # of the web process; 0 selects a free one
    seed: int = 1
    concurrent_events: int = 40  # of the fixed day, in quick succession during the first evaluation
    sequential_events: int = 20  # of the fixed day, one after the other, afterwards
    pause_s: float = 2.5  # average pause between two events, so that a person can follow
    short_pause_s: float = 0.3  # the pause during the fixed day
    language: Language = "en"  # of what is printed


@dataclass(frozen=True, slots=True)
class DemoEnvironment:
    """Everything that runs during the demo."""

    haravan: ShopHandle
    context: Context
    rule_set: RuleSet
    folder: Path
    past_shop: ShopHandle | None = None

    @property
    def redis(self) -> RedisClient:
        """The client of the demo's Redis."""
        return self.context.redis

    @property
    def settings_file(self) -> str:
        """The path for `--env-file`, relative to the project folder."""
        return str((self.folder / "env").relative_to(project_folder()))


@asynccontextmanager
async def start(
    options: Options, supervisor: Supervisor, on_ready: OnReady
) -> AsyncIterator[DemoEnvironment]:
    """Start all parts, and stop them at the end of the block. Raises TaggerError, OSError."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(demo_folder())
        # the shop starts from scratch, so its data in Redis must not survive
        shutil.rmtree(folder, ignore_errors=True)
        url = await _start_redis(stack, supervisor, folder, on_ready)
        clock = Clock()
        sandbox = Sandbox(clock=clock)
        past_shop = None if options.once else open_past_shop(sandbox, clock, options)
        haravan = sandbox.add_shop(
            org=ORG,
            token=secrets.token_hex(16),
            secret=secrets.token_hex(16),
            name="Nhà Gốm",
            seed=options.seed,
        )
        sandbox_url = await stack.enter_async_context(serve(sandbox))
        described = Sentence(
            "{name}: simulated, {count} customers", name=haravan.shop.name, count=options.customers
        )
        on_ready(Sentence("shop"), described, sandbox_url)

        environ = service_settings(
            haravan, redis_url=url, sandbox_url=sandbox_url, port=options.port or free_port()
        )
        settings = read_settings(environ)
        redis = connect(url)
        stack.push_async_callback(redis.aclose)
        context = Context(redis, ShopRepository(redis, KeyRing(settings.secret_keys)), Versions(redis))
        rule_set = await _seed(context, settings, on_ready)
        if past_shop is not None:
            await _play_past(past_shop, clock, context, settings, options, on_ready)
        haravan.populate(options.customers, seed=options.seed)  # after the past: the clock shows today again
        for spec in service_processes({**_inherited_environ(), **environ}, logs=folder):
            await supervisor.start(spec)
        stack.push_async_callback(supervisor.stop)  # before the sandbox, which the processes still call
        await _wait_for_web(settings.port)
        on_ready(Sentence("web"), Sentence("receives webhooks"), f"http://127.0.0.1:{settings.port}")
        link = f"http://127.0.0.1:{settings.port}{await _sign_in_path(context)}"
        on_ready(Sentence("pages"), Sentence("sign in once with this link, in Chrome, Edge or Firefox"), link)
        on_ready(Sentence("worker"), Sentence("reads customers, decides, writes tags"), "")
        for shop in filter(None, (haravan, past_shop)):
            await _subscribe(shop, f"http://127.0.0.1:{settings.port}{WEBHOOK_PATH}", settings.verify_token)
        on_ready(Sentence("webhooks"), Sentence("subscribed; every delivery is signed"), "")
        _write_settings(folder / "env", environ)
        yield DemoEnvironment(haravan, context, rule_set, folder, past_shop)


def open_past_shop(sandbox: Sandbox, clock: Clock, options: Options) -> ShopHandle:
    """Open the shop with a past, and set the clock back to its beginning."""
    history.begin(clock)
    shop = sandbox.add_shop(
        org=PAST_ORG,
        token=secrets.token_hex(16),
        secret=secrets.token_hex(16),
        name="Gốm Chu Đậu",
        seed=options.seed,
    )
    shop.populate(min(PAST_CUSTOMERS, options.customers), seed=options.seed + 1)
    return shop


async def _play_past(
    haravan: ShopHandle,
    clock: Clock,
    context: Context,
    settings: Settings,
    options: Options,
    on_ready: OnReady,
) -> None:
    rng = Random(options.seed)  # noqa: S311  # a made-up past needs no secure random numbers
    await context.shops.add(
        Shop(
            org=PAST_ORG,
            name=haravan.shop.name,
            dialect="omni",
            api_url=settings.api_url,
            token=haravan.token,
            secret=haravan.secret,
        )
    )
    played = history.History(haravan, clock, context, PAST_ORG, rng)
    await played.play()
    changes = sum(day.added + day.removed for day in played.past.days)
    described = Sentence(
        "{name}: {days} days with {changes} changes of tags",
        name=haravan.shop.name,
        days=history.DAYS,
        changes=changes,
    )
    on_ready(Sentence("past"), described, "")


def service_settings(haravan: ShopHandle, *, redis_url: str, sandbox_url: str, port: int) -> dict[str, str]:
    """The environment variables of web and worker, with secrets made for this run."""
    return {
        "REDIS_URL": redis_url,
        "HARAVAN_API_URL": f"{sandbox_url}/com",
        "HARAVAN_SUBSCRIBE_URL": f"{sandbox_url}/api/subscribe",
        "HARAVAN_ORG_ID": haravan.org,
        "HARAVAN_ACCESS_TOKEN": haravan.token,
        "HARAVAN_WEBHOOK_SECRETS": haravan.secret,
        "HARAVAN_VERIFY_TOKEN": secrets.token_hex(16),
        "SECRET_KEY": secrets.token_hex(32),
        "OPS_TOKENS": f"demo={secrets.token_hex(16)}",
        "RULES_FILE": str(RULES_FILE),
        "LOG_FORMAT": "json",
        "PORT": str(port),
    }


def free_port() -> int:
    """A port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _start_redis(stack: AsyncExitStack, supervisor: Supervisor, folder: Path, on_ready: OnReady) -> str:
    url = os.environ.get("REDIS_URL")
    if url:
        version = await wait_until_ready(url, within_s=5)
        on_ready(Sentence("store"), Sentence("{version}, from REDIS_URL", version=version), "")
        return url
    server = await stack.enter_async_context(start_server(supervisor, folder / "store"))
    described = Sentence(
        "{version}, every write is on disk before it is acknowledged", version=server.version
    )
    on_ready(Sentence("store"), described, "")
    return server.url


async def _seed(context: Context, settings: Settings, on_ready: OnReady) -> RuleSet:
    """Store the shop and its rules. Raises Refused if the Redis server has data of other shops."""
    shops, versions = context.shops, context.versions
    if {*await shops.orgs()} - {ORG, PAST_ORG}:
        raise Refused(
            Sentence(
                "the Redis server of REDIS_URL contains other shops; the demo needs an empty one. "
                "Unset REDIS_URL, and the demo starts its own server"
            )
        )
    for org in (ORG, PAST_ORG):
        await shops.remove(org, erase=True)  # of an earlier demo in this store
    await seed(settings, shops, versions)
    await save_first_look(
        context.redis, ORG, "complete"
    )  # all customers are evaluated, and nobody is asked before
    rule_set = await versions.document(ORG, 1)
    described = Sentence("{rules} rules, {tiers} tier", rules=len(rule_set.rules), tiers=len(rule_set.tiers))
    on_ready(Sentence("rule set"), described, "deploy/rules/demo.yaml")
    return rule_set


async def _sign_in_path(context: Context) -> str:
    """The path of a one-time link for the demo's owner, who may be one of an earlier demo in this store."""
    by = shell_user("demo")
    known = {user.name for user in await access.list_users(context)}
    if USER in known:
        return (await access.create_link(context, USER, by=by)).link_path
    secret = await access.add_user(context, USER, f"{USER}@example.com", Role.OWNER, shops=None, by=by)
    return secret.link_path


async def _wait_for_web(port: int) -> None:
    if not await until(lambda: _listens(port), within_s=START_TIMEOUT_S):
        raise StoreUnavailable(
            Sentence(
                "the web process did not start listening on port {port} within {seconds} s",
                port=port,
                seconds=round(START_TIMEOUT_S),
            )
        )


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def _subscribe(haravan: ShopHandle, url: str, verify_token: str) -> None:
    try:
        await haravan.subscribe(url, verify_token)
    except HandshakeFailed as exc:
        raise Refused(Sentence("the handshake failed: {why}", why=str(exc))) from exc


def _inherited_environ() -> Mapping[str, str]:
    """This process's environment without settings of the service: the demo must never reach a real shop."""
    prefixes = (
        "HARAVAN_",
        "OPS_",
        "ALERT_",
        "API_RESERVE",
        "RETENTION_",
        "DURABILITY",
        "RULES_FILE",
        "SECRET_KEY",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def _write_settings(path: Path, environ: Mapping[str, str]) -> None:
    """The settings of this run, for a second terminal. Only this user can read the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in environ.items()), encoding="utf-8")
