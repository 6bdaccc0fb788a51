"""The move of all data from one store to another, step by step, and what must hold before it.

1. `plan_move` asks both stores whether the move can work.
2. Every key is copied while web and workers go on. The servers name the keys that change, which are copied again.
3. The fence: the old store is marked, so that processes stop to work with it, and refuses every write. The last changes
   are copied and compared.
4. One mark in the new store decides. Processes use the new store from then on; the old one stays marked and fenced.

An attempt that ends before step 4 gives the old store back. After a kill, the next attempt or `cancel_move` does that.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from redis.exceptions import RedisError

from service.domain.access import Actor
from service.errors import Refused, TaggerError
from service.sentence import Sentence
from service.store.client import (
    MAX_USED,
    Durability,
    Store,
    check_server,
    connect,
    evaluate_layout,
    keys,
    load_layout,
)
from service.store.encryption import KeyRing
from service.store.history import audit_log
from service.store.move import marks
from service.store.move.changes import ChangeFeeds
from service.store.move.copying import Copier, MoveTakenOver, scan_keys
from service.store.move.fence import is_fenced, lower_fence, raise_fence, require_config
from service.store.servers import parse_address

MAX_ROUNDS: Final = 20  # of copying what changed during the last round
SHORT_S: Final = 0.3  # a round that took no longer is followed by the fence
COMPARISONS: Final = 3  # in the fence; a key may expire between two of them

Stage = Literal["copying", "catching_up", "fenced"]
Progress = Callable[[Stage, int, int], None]  # keys that were copied, keys in all


class MoveFailed(TaggerError):
    """The move did not end. The data stays where it was, unless the message says otherwise."""


@dataclass(frozen=True, slots=True)
class MovePlan:
    """What a move would do."""

    is_complete: bool  # the data is in the new store already
    keys: int = 0
    bytes: int = 0  # of memory, in the old store
    shops: int = 0
    servers: int = 0  # primaries of the new store


@dataclass(frozen=True, slots=True)
class MoveResult:
    """A complete move."""

    keys: int  # copies that were made, also of one key more than once
    bytes: int
    pause_ms: int  # from the first mark to the decision; processes follow some 100 ms later
    took_ms: int


async def plan_move(source: Store, target: Store, *, durability: Durability, queue_url: str) -> MovePlan:
    """Check that the move can work. Raises Refused with the reason, and redis' errors."""
    run_ids = await _run_ids(source)
    if run_ids & await _run_ids(target):
        return MovePlan(is_complete=True)
    if not queue_url or run_ids & await _run_ids_at(queue_url):
        raise Refused(
            Sentence(
                "QUEUE_URL must be a Redis server beside the store, because the old store refuses all writes at the end of the "
                "move. Start one, set QUEUE_URL, restart web and workers, and try again"
            )
        )
    problems = [check.text for check in evaluate_layout(await load_layout(source)) if check.name != "moved"]
    problems += [
        check.text
        for check in await check_server(target, durability)
        if check.name in ("no_replica", "server_away")
        or (check.level == "refused" and check.name != "arriving")
    ]
    if problems:
        raise Refused(Sentence("this move is not possible: {reasons}", reasons=" ".join(problems)))
    await _require_free(target, await marks.load_store_id(source))
    used, _ = await _memory(source)
    _, limit = await _memory(target)
    if limit and used > MAX_USED * limit:
        raise Refused(
            Sentence(
                "the data takes {used} MB, and the new store has {limit} MB (maxmemory)",
                used=used // 2**20,
                limit=limit // 2**20,
            )
        )
    await require_config(source)
    sizes = [await server.dbsize() for server in await source.servers()]
    async with source.pipeline(transaction=False) as pipe:
        for key in keys.of_partitions("shops"):
            pipe.scard(key)
        shops = await pipe.execute()
    return MovePlan(False, sum(sizes), used, sum(shops), len(await target.servers()))


async def move(
    source: Store, target_url: str, *, keyring: KeyRing, by: Actor, on_progress: Progress = lambda *_: None
) -> MoveResult:
    """Move all data. Raises Refused, MoveFailed, MoveTakenOver and redis' errors: then the data stays where it was."""
    async with connect(target_url) as target:
        attempt = _Attempt(
            source, target, marks.Departure(target_url, secrets.token_hex(8)), keyring, on_progress
        )
        await attempt.take_over()
        summary = Sentence("to {servers}", servers=_shown(target_url))
        async with audit_log.recorded(source, by, "move_store", summary=summary):
            return await attempt.run()


async def cancel_move(source: Store, target_url: str, *, by: Actor, is_lost: bool = False) -> int:
    """Give the data back to the old store and delete the copies. Returns their number. Raises Refused and redis' errors.

    `is_lost`: the new store is lost for good. Then it is not asked whether the move is complete.
    """
    deleted = 0
    async with connect(target_url) as target:
        if not is_lost and not await marks.begin_arrival(
            target, token=secrets.token_hex(8), store_id=await marks.load_store_id(source)
        ):
            raise Refused(
                Sentence("the move is complete, or the new store has other data: nothing was changed")
            )
        await _give_back(source)
        await audit_log.record(
            source, by, "cancel_move", summary=Sentence("to {servers}", servers=_shown(target_url))
        )
        if not is_lost:
            async for page in scan_keys(target):
                for key in page:
                    await target.unlink(key)
                deleted += len(page)
            await marks.forget_arrival(target)
    return deleted


class _Attempt:
    def __init__(
        self,
        source: Store,
        target: Store,
        departure: marks.Departure,
        keyring: KeyRing,
        on_progress: Progress,
    ) -> None:
        self._source, self._target, self._departure, self._keyring = source, target, departure, keyring
        self._on_progress = on_progress
        self._copier = Copier(source, target, departure.token)
        self._total = 0

    async def take_over(self) -> None:
        """End every earlier attempt, and take the fence away that it may have left. Raises Refused."""
        store_id = await marks.load_store_id(self._source)
        if not await marks.begin_arrival(self._target, token=self._departure.token, store_id=store_id):
            raise Refused(
                Sentence("the move is complete, or the new store has other data: nothing was changed")
            )
        await _give_back(self._source)

    async def run(self) -> MoveResult:
        """Copy, then decide. Raises what `move` raises."""
        started_s = time.monotonic()
        servers = await self._source.servers()
        run_ids = await _run_ids(self._source)
        self._total = sum([await server.dbsize() for server in servers])
        feeds = await ChangeFeeds.open([server.endpoint for server in servers], self._source.router.address)
        try:
            await self._copy(feeds)
            fenced_s = time.monotonic()
            await self._decide(feeds, run_ids)
            ended_s = time.monotonic()
        finally:
            await feeds.close()
        return MoveResult(
            self._copier.keys,
            self._copier.bytes,
            round(1000 * (ended_s - fenced_s)),
            round(1000 * (ended_s - started_s)),
        )

    async def _copy(self, feeds: ChangeFeeds) -> None:
        changed = await self._copier.copy_all(lambda done: self._report("copying", done))
        for _ in range(MAX_ROUNDS):
            changed |= await feeds.take()
            round_s = time.monotonic()
            await self._copier.copy(changed)
            self._report("catching_up", len(changed))
            changed = set()
            if time.monotonic() - round_s < SHORT_S:
                break

    async def _decide(self, feeds: ChangeFeeds, run_ids: frozenset[str]) -> None:
        identities = await _identities(self._source, self._target)
        is_deciding = False
        try:
            await marks.announce_departure(self._source, self._keyring, self._departure)
            await raise_fence(self._source)
            changed = await feeds.take()
            self._report("fenced", len(changed))
            await self._copier.copy(changed)
            await self._compare(feeds, changed)
            if await _run_ids(self._source) != run_ids or not await is_fenced(self._source):
                raise MoveFailed(
                    Sentence("a server of the old store was replaced or restarted meanwhile: try again")
                )
            is_deciding = True
            if not await marks.complete_arrival(
                self._target, token=self._departure.token, identities=identities
            ):
                raise MoveTakenOver(
                    Sentence("another `tagger store move` has taken over, or the move is complete")
                )
        except BaseException as exc:
            if not await asyncio.shield(self._is_given_back(is_deciding=is_deciding)):
                return  # the reply was lost, and the move is complete
            if isinstance(exc, RedisError) and is_deciding:
                raise MoveFailed(
                    Sentence("the new store did not answer in the last step: try again")
                ) from exc
            raise

    async def _compare(self, feeds: ChangeFeeds, changed: set[bytes]) -> None:
        for _ in range(COMPARISONS):
            differing = {*await self._copier.compare(changed), *await feeds.take()}
            if not differing:
                return
            changed = changed | differing
            await self._copier.copy(differing)
        differing = set(await self._copier.compare(changed))
        if differing:
            raise MoveFailed(
                Sentence("{count} keys differ between the stores: try again", count=len(differing))
            )

    async def _is_given_back(self, *, is_deciding: bool) -> bool:
        """Give the old store back, unless the move is complete or another attempt has taken over. False if it is complete.

        A last command that is still on its way to the new store must find that this attempt is over.
        """
        if is_deciding and not await marks.begin_arrival(
            self._target,
            token=secrets.token_hex(8),
            store_id=await marks.load_store_id(self._source),
        ):
            return not await marks.has_arrived(self._target, self._departure.token)
        departure = await marks.load_departure(self._source, self._keyring)
        if departure is None or departure.token == self._departure.token:
            await _give_back(self._source)
        return True

    def _report(self, stage: Stage, done: int) -> None:
        self._on_progress(stage, done, max(done, self._total))


async def _give_back(source: Store) -> None:
    """Let processes work with the old store again."""
    if await marks.load_fence(source) is not None:
        await lower_fence(source)
    await marks.withdraw_departure(source)


async def _require_free(target: Store, store_id: str) -> None:
    """Raises Refused if the new store has data of something else than an earlier attempt of this move."""
    stored = await target.hgetall(keys.STORE)
    if b"arrived" not in stored and stored.get(b"arriving_from") == store_id.encode():
        return
    async for _ in scan_keys(target):
        raise Refused(
            Sentence(
                "the new store has data already. Use an empty one, or delete its data first with: FLUSHALL"
            )
        )


async def _identities(source: Store, target: Store) -> dict[int, dict[str, str]]:
    """What the new store says of itself for each partition: the id and layout of the data, and the server as checked."""
    async with source.pipeline(transaction=False) as pipe:
        for key in keys.of_partitions("store"):
            pipe.hmget(key, ["id", "layout"])
        stored = await pipe.execute()
    identities: dict[int, dict[str, str]] = {}
    for server, partitions in (await target.owned_partitions()).values():
        run_id = str((await server.info("server"))["run_id"])
        for partition in partitions:
            named = zip(("id", "layout"), stored[partition], strict=True)
            identities[partition] = {name: value.decode() for name, value in named if value} | {
                "run_id": run_id
            }
    return identities


async def _run_ids(store: Store) -> frozenset[str]:
    return frozenset([str((await server.info("server"))["run_id"]) for server in await store.servers()])


async def _run_ids_at(queue_url: str) -> frozenset[str]:
    async with connect(queue_url) as queue:
        return await _run_ids(queue)


async def _memory(store: Store) -> tuple[int, int]:
    """The memory that all servers use, and what they may use; 0 if one of them has no limit."""
    infos: list[dict[str, Any]] = [await server.info("memory") for server in await store.servers()]
    limits = [int(info.get("maxmemory", 0)) for info in infos]
    return sum(int(info.get("used_memory", 0)) for info in infos), sum(limits) if all(limits) else 0


def _shown(url: str) -> str:
    """The servers of an address, without user and password."""
    return ", ".join(map(str, parse_address(url).endpoints))
