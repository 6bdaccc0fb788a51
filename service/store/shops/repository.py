"""The repository of shops: their configuration with encrypted credentials, and their pauses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from redis.exceptions import WatchError

from service.domain.customers import OrgId
from service.errors import InvalidSettings, MalformedData, NotFound, Refused
from service.store.client import RedisClient, keys
from service.store.jobs import pending
from service.store.queue import ALL_QUEUES
from service.store.shops import deletion, uninstall
from service.store.shops.cipher import Cipher
from service.store.shops.first_look import FIRST_LOOK_KEY, decode_first_look
from service.store.shops.model import Shop, validate
from service.store.shops.uninstall import UNINSTALLED

TOKEN_REJECTED: Final = "token_rejected"  # noqa: S105  # reason of a pause that ends with a new token

Fields = dict[str, bytes | str | int]  # of the shop's hash


class SeededFrom(msgspec.Struct, frozen=True):
    """The values of the environment that were last applied to a shop."""

    token: str
    api_url: str
    reserve: int


@dataclass(frozen=True, slots=True)
class WebhookCredentials:
    """What verifies the webhooks of a shop."""

    org: OrgId
    domain: str  # of the shop's API; older webhooks have it instead of the org
    secret: str = field(repr=False)  # the shop's own; "" if it has none, or if it cannot be decrypted


class ShopRepository:
    """Reads and writes the configuration and the pauses of all shops."""

    def __init__(self, redis: RedisClient, cipher: Cipher) -> None:
        self._redis = redis
        self._cipher = cipher

    async def orgs(self) -> tuple[OrgId, ...]:
        """Every shop, in the order of their numbers."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in keys.of_partitions("shops"):
                pipe.smembers(key)
            partitions: list[set[bytes]] = await pipe.execute()
        orgs = sorted((org for partition in partitions for org in partition), key=lambda org: (len(org), org))
        return tuple(OrgId(org.decode()) for org in orgs)

    async def get(self, org: OrgId) -> Shop | None:
        """The shop, or None. Raises MalformedData if its token cannot be decrypted."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.shop(org, "shop"))
            pipe.hmget(keys.shop(org, "state"), "paused", "paused_since", "paused_by", "removals_paused")
            pipe.get(keys.shop(org, FIRST_LOOK_KEY))
            stored, (paused, since, by, removals), first_look = await pipe.execute()
        if not stored:
            return None
        return Shop(
            org=org,
            name=stored[b"name"].decode(),
            dialect="admin" if stored[b"dialect"] == b"admin" else "omni",
            api_url=stored[b"api_url"].decode(),
            token=self._cipher.decrypt(stored[b"token"]),
            timezone=stored[b"timezone"].decode(),
            currency=stored[b"currency"].decode(),
            secret=self._cipher.decrypt(stored[b"secret"]) if stored.get(b"secret") else "",
            reserve=int(stored.get(b"reserve", 0)),
            shadow=stored.get(b"shadow") == b"1",
            paused=(paused or b"").decode(),
            paused_since_ms=int(since or 0),
            paused_by=(by or b"").decode(),
            removals_paused=(removals or b"").decode(),
            first_look=decode_first_look(first_look),
        )

    async def revision(self) -> int:
        """A number that grows with every change of a shop's configuration."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in keys.of_partitions("shops_revision"):
                pipe.get(key)
            return sum(int(value or 0) for value in await pipe.execute())

    async def webhook_credentials(self) -> list[WebhookCredentials]:
        """The webhook credentials of all shops, in one round trip; API tokens are neither read nor decrypted."""
        orgs = await self.orgs()
        async with self._redis.pipeline(transaction=False) as pipe:
            for org in orgs:
                pipe.hmget(keys.shop(org, "shop"), "api_url", "secret")
            rows = await pipe.execute()
        return [
            WebhookCredentials(
                org,
                urlsplit((api_url or b"").decode()).hostname or "",
                self._webhook_secret(secret),
            )
            for org, (api_url, secret) in zip(orgs, rows, strict=True)
        ]

    def _webhook_secret(self, encrypted: bytes | None) -> str:
        try:
            return self._cipher.decrypt(encrypted) if encrypted else ""
        except (MalformedData, InvalidSettings):
            return ""  # the app's secrets still verify webhooks

    async def get_or_raise(self, org: OrgId) -> Shop:
        """The shop. Raises NotFound."""
        shop = await self.get(org)
        if shop is None:
            raise _no_shop(org)
        return shop

    async def add(self, shop: Shop) -> None:
        """Add a shop. Raises Refused if a field is wrong or the shop exists."""
        validate(shop)
        if not await self._create(shop, seeded=None):
            raise Refused(
                f"shop {shop.org} exists already; change its token with: tagger shops token {shop.org}"
            )

    async def remove(self, org: OrgId, *, erase: bool) -> None:
        """Remove the shop. With `erase`, delete all of its data: ownership, ledger, versions. Raises NotFound."""
        due_ms = await self._now_ms() + deletion.SOON_MS
        job = deletion.erasure_job(org, everything=True, due_ms=due_ms) if erase else None
        async with self._redis.pipeline() as pipe:
            deletion.queue_delisting(pipe, org, job=job)
            removed, *_ = await pipe.execute()
        if erase:
            await deletion.delete_shop_data(self._redis, org, everything=True)
        if not removed and not erase:
            raise _no_shop(org)

    async def remove_uninstalled(self, org: OrgId, *, token: str, now_ms: int) -> bool:
        """Remove a shop whose app was uninstalled, and delete its data except the keys that a re-install reuses.

        Returns False if the shop has another token by now, or if its uninstall was cleared.
        """
        async with self._redis.pipeline() as pipe:
            try:
                await pipe.watch(keys.shop(org, "shop"), keys.shop(org, "state"))
                shop, uninstalls = await self.get(org), await uninstall.load_uninstalls(self._redis, [org])
                if shop is None or shop.token != token or org not in uninstalls:
                    return False
                pipe.multi()
                due_ms = now_ms + deletion.SOON_MS
                job = deletion.erasure_job(org, everything=False, due_ms=due_ms)
                deletion.queue_delisting(pipe, org, job=job)
                await pipe.execute()
            except WatchError:
                return False
        await deletion.delete_shop_data(self._redis, org, everything=False)
        return True

    async def set_token(self, org: OrgId, token: str) -> None:
        """Replace the token. Ends a pause for a rejected token or an uninstalled app, but no other.

        Raises NotFound, Refused.
        """
        await self.get_or_raise(org)
        if not token.strip():
            raise Refused("the token is empty")
        await self._change(org, {"token": self._cipher.encrypt(token.strip())})
        paused = await self._redis.hget(
            keys.shop(org, "state"), "paused"
        )  # read after storing, see workers/drain/pause.py
        if paused in (TOKEN_REJECTED.encode(), UNINSTALLED.encode()):
            await self.resume(org)
        await self.clear_uninstall(org)

    async def clear_uninstall(self, org: OrgId) -> None:
        """Clear the uninstall state."""
        await self._redis.hdel(keys.shop(org, "state"), *uninstall.FIELDS)

    async def set_secret(self, org: OrgId, secret: str) -> None:
        """Replace the shop's own webhook secret; "" removes it. Raises NotFound."""
        await self._change(org, {"secret": self._cipher.encrypt(secret.strip()) if secret.strip() else b""})

    async def set_shadow(
        self, org: OrgId, *, shadow: bool, extend: Callable[[Any], None] = lambda _pipe: None
    ) -> None:
        """Enable or disable shadow mode. `extend` may add commands to the transaction. Raises NotFound."""
        await self._change(org, {"shadow": int(shadow)}, extend)

    async def reencrypt(self, org: OrgId) -> None:
        """Encrypt token and secret with the first key of SECRET_KEY. Raises NotFound, MalformedData."""
        shop = await self.get_or_raise(org)
        fields: Fields = {"token": self._cipher.encrypt(shop.token)}
        if shop.secret:
            fields["secret"] = self._cipher.encrypt(shop.secret)
        await self._change(org, fields)

    async def pause(self, org: OrgId, *, reason: str, by: str) -> None:
        """Pause all work of the shop. Its marks stay. An earlier pause keeps its reason and its time."""
        now_ms = await self._now_ms()
        state = keys.shop(org, "state")
        if await self._redis.hsetnx(state, "paused", reason):
            await self._redis.hset(state, mapping={"paused_since": now_ms, "paused_by": by})

    async def pause_uninstalled(self, org: OrgId, *, by: str) -> None:
        """Pause a shop whose app was uninstalled. Replaces a pause for a rejected token."""
        await self.pause(org, reason=UNINSTALLED, by=by)
        state = keys.shop(org, "state")
        if await self._redis.hget(state, "paused") == TOKEN_REJECTED.encode():
            await self._redis.hset(state, "paused", UNINSTALLED)

    async def is_paused(self, org: OrgId) -> bool:
        """Whether the shop is paused."""
        return bool(await self._redis.hexists(keys.shop(org, "state"), "paused"))

    async def resume(self, org: OrgId) -> None:
        """End the pause and clear the uninstall state. The shop is due at once."""
        now_ms = await self._now_ms()
        async with self._redis.pipeline() as pipe:
            pipe.hdel(keys.shop(org, "state"), "paused", "paused_since", "paused_by", *uninstall.FIELDS)
            pipe.zadd(keys.partition_key(org, "due_shops"), {org: now_ms})
            await pipe.execute()

    async def resume_removals(self, org: OrgId) -> None:
        """Resume removals after the removal guard tripped. Earlier removals count as approved from now on."""
        await self._redis.hdel(keys.shop(org, "state"), "removals_paused")
        await self._redis.delete(keys.shop(org, "unexplained_removals"))

    async def apply_environment(self, shop: Shop) -> Shop | None:
        """Create the shop, or apply the values that changed in the environment since the last call. Raises Refused."""
        validate(shop)
        environment = SeededFrom(shop.token, shop.api_url, shop.reserve)
        if not await self._create(shop, seeded=environment):
            await self._apply(shop.org, environment)
        return await self.get(shop.org)

    async def _change(
        self, org: OrgId, fields: Fields, extend: Callable[[Any], None] = lambda _pipe: None
    ) -> None:
        """Raises NotFound, also if the shop is removed meanwhile: the write must not create half a shop."""
        key = keys.shop(org, "shop")
        async with self._redis.pipeline() as pipe:
            while True:
                await pipe.watch(key)
                if not await pipe.exists(key):
                    raise _no_shop(org)
                pipe.multi()
                pipe.hset(key, mapping=fields)
                extend(pipe)
                pipe.incr(keys.partition_key(org, "shops_revision"))
                with suppress(WatchError):
                    await pipe.execute()
                    return

    async def _apply(self, org: OrgId, now: SeededFrom) -> None:
        key = keys.shop(org, "shop")
        encrypted = await self._redis.hget(key, "seeded")
        before = msgspec.json.decode(self._cipher.decrypt(encrypted), type=SeededFrom) if encrypted else None
        if before == now:
            return
        changed: Fields = {"seeded": self._encrypt(now)}
        if before is None or before.api_url != now.api_url:
            changed["api_url"] = now.api_url
        if before is None or before.reserve != now.reserve:
            changed["reserve"] = now.reserve
        await self._change(org, changed)
        if before is None or before.token != now.token:
            await self.set_token(org, now.token)

    async def _create(self, shop: Shop, *, seeded: SeededFrom | None) -> bool:
        key = keys.shop(shop.org, "shop")
        fields = self._to_fields(shop)
        if seeded is not None:
            fields["seeded"] = self._encrypt(seeded)
        now_ms = await self._now_ms()
        async with self._redis.pipeline() as pipe:
            try:
                await pipe.watch(key)
                if await pipe.exists(key):
                    return False
                has_marks = await pipe.exists(*(keys.shop(shop.org, name) for name in ALL_QUEUES))
                pipe.multi()
                pipe.hset(key, mapping=fields)
                pipe.incr(keys.partition_key(shop.org, "shops_revision"))
                pipe.sadd(keys.partition_key(shop.org, "shops"), shop.org)
                pending.queue_delete(pipe, deletion.erasure_job(shop.org, everything=True, due_ms=0))
                if has_marks:
                    pipe.zadd(keys.partition_key(shop.org, "due_shops"), {shop.org: now_ms})
                for name in deletion.KEPT_KEYS:
                    pipe.persist(keys.shop(shop.org, name))
                await pipe.execute()
            except WatchError:
                return False  # another process created it meanwhile
        return True

    async def _now_ms(self) -> int:
        seconds, _ = await self._redis.time()
        return int(seconds) * 1000

    def _to_fields(self, shop: Shop) -> Fields:
        return {
            "name": shop.name,
            "dialect": shop.dialect,
            "api_url": shop.api_url,
            "timezone": shop.timezone,
            "currency": shop.currency,
            "token": self._cipher.encrypt(shop.token),
            "secret": self._cipher.encrypt(shop.secret) if shop.secret else b"",
            "reserve": shop.reserve,
            "shadow": int(shop.shadow),
        }

    def _encrypt(self, seeded: SeededFrom) -> bytes:
        return self._cipher.encrypt(msgspec.json.encode(seeded).decode())


def _no_shop(org: OrgId) -> NotFound:
    return NotFound(f"there is no shop {org}; see: tagger shops list")
