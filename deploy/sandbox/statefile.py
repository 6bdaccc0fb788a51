"""The shops in a file: written whole and swapped in, so that a crash leaves the old one or the new one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from .box import Sandbox
from .records import Customer, Group
from .shop import Application, Counters, Shop


class Kept(msgspec.Struct, kw_only=True):
    """One shop as the file has it. Faults, call counts and webhooks on their way are not kept."""

    org: str
    token: str
    secret: str
    scopes: tuple[str, ...]
    timezone: str
    currency: str
    name: str
    echo: bool
    shop_endpoint: bool
    groups: list[Group]
    counters: Counters
    app: Application
    customers: list[Customer]


class State(msgspec.Struct):
    """The whole file."""

    ahead_s: float
    shops: list[Kept]


def save(sandbox: Sandbox, path: Path) -> None:
    """Write everything to `path`, atomically."""
    state = State(sandbox.clock.ahead_s, [_kept(handle.shop) for handle in sandbox.handles.values()])
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def load(sandbox: Sandbox, path: Path) -> None:
    """Open the shops of the file, if there is one. Raises msgspec.DecodeError when it is not one of ours."""
    if not path.exists():
        return
    state = msgspec.json.decode(path.read_bytes(), type=State)
    sandbox.clock.ahead_s = state.ahead_s
    for kept in state.shops:
        shop = sandbox.add_shop(
            org=kept.org,
            token=kept.token,
            secret=kept.secret,
            scopes=kept.scopes,
            timezone=kept.timezone,
            currency=kept.currency,
            name=kept.name,
        ).shop
        shop.echo, shop.shop_endpoint = kept.echo, kept.shop_endpoint
        shop.groups, shop.counters, shop.app = kept.groups, kept.counters, kept.app
        shop.store.put_all(kept.customers)


@asynccontextmanager
async def kept(sandbox: Sandbox, path: Path, *, every_s: float) -> AsyncIterator[None]:
    """Save at intervals while inside, if anything changed, and once more at the end."""
    saver = asyncio.create_task(_keep_saving(sandbox, path, every_s))
    try:
        yield
    finally:
        saver.cancel()
        await asyncio.gather(saver, return_exceptions=True)
        save(sandbox, path)


async def _keep_saving(sandbox: Sandbox, path: Path, every_s: float) -> None:
    saved = -1
    while True:
        changes = sum(handle.shop.changes for handle in sandbox.handles.values())
        if changes != saved:
            save(sandbox, path)
            saved = changes
        await asyncio.sleep(every_s)


def _kept(shop: Shop) -> Kept:
    return Kept(
        org=shop.org,
        token=shop.token,
        secret=shop.secret,
        scopes=shop.scopes,
        timezone=shop.timezone,
        currency=shop.currency,
        name=shop.name,
        echo=shop.echo,
        shop_endpoint=shop.shop_endpoint,
        groups=shop.groups,
        counters=shop.counters,
        app=shop.app,
        customers=list(shop.store.all()),
    )
