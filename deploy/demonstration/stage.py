"""Sets the stage: a store, the shop in a box, web and worker as real processes, the webhook subscribed."""

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
from typing import Final

from arq.connections import ArqRedis

from deploy import store
from deploy.demonstration.options import Options
from deploy.everything import service_parts
from deploy.folders import demo_folder, project_folder
from deploy.processes import Processes
from deploy.sandbox import HandshakeFailed, Sandbox, ShopHandle, serve
from deploy.waiting import until
from service.domain.customers import OrgId
from service.domain.rules import RuleSet
from service.errors import Refused, StoreAway
from service.seeding import seed
from service.settings import Settings, read_settings
from service.store.cipher import Cipher
from service.store.connection import connect
from service.store.shops import Shops
from service.store.versions import Versions

ORG: Final = OrgId("1000000001")
RULES_FILE: Final = Path(__file__).parent.parent / "rules" / "demo.yaml"
WEBHOOK_PATH: Final = "/webhooks/haravan"
UP_WITHIN_S: Final = 30.0

Ready = Callable[[str, str, str], None]  # what is ready, a word on it, where it is


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs, in the hands of the play."""

    haravan: ShopHandle
    redis: ArqRedis
    rule_set: RuleSet
    folder: Path

    @property
    def settings_file(self) -> str:
        """For `--env-file`, as one types it in the project's folder."""
        return str((self.folder / "env").relative_to(project_folder()))


@asynccontextmanager
async def stage(options: Options, running: Processes, ready: Ready) -> AsyncIterator[Stage]:
    """Start everything, one part after the other, and take it down again. Raises TaggerError, OSError."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(demo_folder())
        # The shop begins anew, so must everything that is known about it.
        shutil.rmtree(folder, ignore_errors=True)
        url = await _store(stack, running, folder, ready)
        sandbox = Sandbox()
        haravan = sandbox.add_shop(
            org=ORG,
            token=secrets.token_hex(16),
            secret=secrets.token_hex(16),
            name="Nhà Gốm",
            seed=options.seed,
        )
        haravan.populate(options.customers, seed=options.seed)
        box = await stack.enter_async_context(serve(sandbox))
        ready("shop", f"{haravan.shop.name}, {options.customers} customers in a Haravan shop in a box", box)

        environ = environment(haravan, store_url=url, box_url=box, port=options.port or free_port())
        settings = read_settings(environ)
        redis = connect(url)
        stack.push_async_callback(redis.aclose)
        rule_set = await _furnish(redis, settings, ready)
        for part in service_parts({**_passed_on(), **environ}, logs=folder):
            await running.start(part)
        stack.push_async_callback(running.stop)  # before the shop goes: nobody shall find it gone
        await _web_is_up(settings.port)
        ready("web", "takes webhooks", f"http://127.0.0.1:{settings.port}")
        ready("worker", "fetches, decides, writes", "")
        await _subscribe(haravan, f"http://127.0.0.1:{settings.port}{WEBHOOK_PATH}", settings.verify_token)
        ready("webhooks", "subscribed, handshake made; every delivery is signed", "")
        _leave_settings(folder / "env", environ)
        yield Stage(haravan, redis, rule_set, folder)


def environment(haravan: ShopHandle, *, store_url: str, box_url: str, port: int) -> dict[str, str]:
    """The settings of the demo's service: what a real one has, with secrets made for this run."""
    return {
        "REDIS_URL": store_url,
        "HARAVAN_API_URL": f"{box_url}/com",
        "HARAVAN_SUBSCRIBE_URL": f"{box_url}/api/subscribe",
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
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _store(stack: AsyncExitStack, running: Processes, folder: Path, ready: Ready) -> str:
    given = os.environ.get("REDIS_URL")
    if given:
        ready("store", f"{await store.answering(given, within_s=5)}, as REDIS_URL says", "")
        return given
    own = await stack.enter_async_context(store.started(running, folder / "store"))
    ready("store", f"{own.version}, every write on disk before it is answered", "")
    return own.url


async def _furnish(redis: ArqRedis, settings: Settings, ready: Ready) -> RuleSet:
    """Put shop and rules into the store; raises Refused when it is not the demo's to play in."""
    shops, versions = Shops(redis, Cipher(settings.secret_keys)), Versions(redis)
    others = [org for org in await shops.orgs() if org != ORG]
    if others:
        raise Refused(
            "the store that REDIS_URL names has shops of its own; the demo plays only in an empty one. "
            "Leave REDIS_URL out, and it starts a store for itself"
        )
    await shops.remove(ORG, erase=True)  # of an earlier demo in this store
    await seed(settings, shops, versions)
    rule_set = await versions.document(ORG, 1)
    ready("rules", f"{len(rule_set.rules)} rules, {len(rule_set.tiers)} tier group", "deploy/rules/demo.yaml")
    return rule_set


async def _web_is_up(port: int) -> None:
    if not await until(lambda: _listens(port), within_s=UP_WITHIN_S):
        raise StoreAway(f"the web process does not listen on port {port} after {UP_WITHIN_S:.0f} s")


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
        raise Refused(f"the handshake failed: {exc}") from exc


def _passed_on() -> Mapping[str, str]:
    """This process's environment without settings of another service: the demo talks to its own shop alone."""
    ours = (
        "HARAVAN_",
        "OPS_",
        "ALERT_",
        "API_RESERVE",
        "RETENTION_",
        "DURABILITY",
        "RULES_FILE",
        "SECRET_KEY",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _leave_settings(path: Path, environ: Mapping[str, str]) -> None:
    """For a second terminal: the settings of this run, readable by this user only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in environ.items()), encoding="utf-8")
