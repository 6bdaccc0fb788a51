"""Copies keys from one store to another, and compares them. Keys are copied whole, with their remaining lifetime."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from hashlib import sha1
from typing import Final

from service.errors import TaggerError
from service.sentence import Sentence
from service.store.client import Store, batched, keys, script_text
from service.store.move.changes import PREFIX

PAGE: Final = 200  # keys
MAX_BATCH_BYTES: Final = 8 * 1024 * 1024  # in one round trip to the new store, unless one key is larger
# They are about the servers of a store and not about the data: `store` has the marks of the move itself.
OF_SERVERS: Final = frozenset(
    key.encode()
    for key in (
        *keys.of_partitions("store"),
        keys.of_partition(0, "aof_rewrite"),
        keys.of_partition(0, "aof_rewrite_lock"),
    )
)


class MoveTakenOver(TaggerError):
    """Another attempt of the move has taken over, or has completed it."""


class Copier:
    """One attempt. The new store takes its writes only as long as it holds the token of the attempt."""

    def __init__(self, source: Store, target: Store, token: str) -> None:
        self._source, self._target, self._token = source, target, token
        self.keys = self.bytes = 0  # that were copied

    async def copy_all(self, on_progress: Callable[[int], None]) -> set[bytes]:
        """Copy every key, and delete those that the old store does not have. Returns keys that differ all the same.

        They are keys that changed meanwhile. Raises redis' errors and MoveTakenOver.
        """
        async for page in scan_keys(self._source):
            await self.copy(page)
            on_progress(self.keys)
        async for page in scan_keys(self._target):
            missing = [
                key
                for key, what in zip(page, await self._describe(self._source, page), strict=True)
                if what == b"none "
            ]
            await self.copy(missing)
        differing: set[bytes] = set()
        async for page in scan_keys(self._source):
            differing.update(await self.compare(page))
        return differing

    async def copy(self, names: Collection[bytes]) -> None:
        """Copy these keys as they are now; one that does not exist is deleted. Raises redis' errors and MoveTakenOver."""
        for page in batched([name for name in names if name not in OF_SERVERS], PAGE):
            async with self._source.pipeline(transaction=False) as pipe:
                for name in page:
                    pipe.dump(name)
                    pipe.pttl(name)
                replies = await pipe.execute()
            await self._restore(list(zip(page, replies[::2], replies[1::2], strict=True)))

    async def compare(self, names: Collection[bytes]) -> list[bytes]:
        """The keys that differ between the stores in kind, size, text or last entry. Raises redis' errors."""
        compared = [name for name in names if name not in OF_SERVERS]
        here, there = (
            await self._describe(self._source, compared),
            await self._describe(self._target, compared),
        )
        return [name for name, one, other in zip(compared, here, there, strict=True) if one != other]

    async def _restore(self, copies: Sequence[tuple[bytes, bytes | None, int]]) -> None:
        for batch in _by_size(copies):
            async with self._target.pipeline(transaction=False) as pipe:
                for name, dumped, ttl_ms in batch:
                    store = store_key(name)
                    pipe.execute_command(
                        "EVALSHA", _RESTORE.sha, 2, store, name, self._token, dumped or b"", max(0, ttl_ms), script=_RESTORE.text
                    )  # fmt: skip
                if not all(await pipe.execute()):
                    raise MoveTakenOver(
                        Sentence("another `tagger store move` has taken over, or the move is complete")
                    )
            self.keys += len(batch)
            self.bytes += sum(len(dumped or b"") for _, dumped, _ in batch)

    async def _describe(self, store: Store, names: Sequence[bytes]) -> list[bytes]:
        groups: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for name in names:
            groups[store_key(name)].append(name)
        async with store.pipeline(transaction=False) as pipe:
            for group in groups.values():
                pipe.execute_command("EVALSHA", _DESCRIBE.sha, len(group), *group, script=_DESCRIBE.text)
            replies = await pipe.execute()
        described = {
            name: what
            for group, reply in zip(groups.values(), replies, strict=True)
            for name, what in zip(group, reply, strict=True)
        }
        return [described[name] for name in names]


async def scan_keys(store: Store) -> AsyncIterator[list[bytes]]:
    """The keys of our data, in pages. A key may come twice; one that is added meanwhile may be missed."""
    for server in await store.servers():
        cursor: int = 0
        while True:
            cursor, page = await server.scan(cursor, match=f"{PREFIX}*", count=PAGE)
            found = [key for key in page if key not in OF_SERVERS]
            if found:
                yield found
            if not cursor:
                break


def store_key(name: bytes) -> bytes:
    """The key of the marks in the partition of this key."""
    return name[: name.index(b"}") + 2] + b"store"


class _Script:
    def __init__(self, name: str) -> None:
        self.text = script_text("move", name)
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_RESTORE: Final = _Script("restore")
_DESCRIBE: Final = _Script("describe")


def _by_size(
    copies: Iterable[tuple[bytes, bytes | None, int]],
) -> Iterable[list[tuple[bytes, bytes | None, int]]]:
    batch: list[tuple[bytes, bytes | None, int]] = []
    size = 0
    for copy in copies:
        batch.append(copy)
        size += len(copy[1] or b"")
        if size > MAX_BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
