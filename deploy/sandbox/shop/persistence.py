"""Shops in a file. The file is replaced as a whole, so a crash leaves either the old or the new one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from deploy.sandbox.clock import Clock
from deploy.sandbox.records import Customer, Group
from deploy.sandbox.shop.shop import Application, Counters, Shop


class SavedShop(msgspec.Struct, kw_only=True):
    """One shop in the file. Faults, call counts and waiting webhooks are not saved."""

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

    def restore(self, shop: Shop) -> None:
        """Copy everything into a shop that was just opened with the saved org id, token and settings."""
        shop.echo, shop.shop_endpoint = self.echo, self.shop_endpoint
        shop.groups, shop.counters, shop.app = self.groups, self.counters, self.app
        shop.store.put_all(self.customers)


class State(msgspec.Struct):
    """The whole file."""

    ahead_s: float
    shops: list[SavedShop]


def save(path: Path, shops: Iterable[Shop], clock: Clock) -> None:
    """Replace the file atomically."""
    state = State(clock.ahead_s, [_saved(shop) for shop in shops])
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load(path: Path) -> State | None:
    """Read the file; None if it does not exist. Raises msgspec.DecodeError if it is not a state file."""
    return msgspec.json.decode(path.read_bytes(), type=State) if path.exists() else None


@asynccontextmanager
async def autosave(
    path: Path, shops: Callable[[], Iterable[Shop]], clock: Clock, *, every_s: float
) -> AsyncIterator[None]:
    """Inside this block, save at intervals if anything changed. Save once more at the end."""
    saver = asyncio.create_task(_save_for_ever(path, shops, clock, every_s))
    try:
        yield
    finally:
        saver.cancel()
        await asyncio.gather(saver, return_exceptions=True)
        save(path, shops(), clock)


async def _save_for_ever(
    path: Path, shops: Callable[[], Iterable[Shop]], clock: Clock, every_s: float
) -> None:
    saved = -1
    while True:
        changes = sum(shop.changes for shop in shops())
        if changes != saved:
            save(path, shops(), clock)
            saved = changes
        await asyncio.sleep(every_s)


def _saved(shop: Shop) -> SavedShop:
    return SavedShop(
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
