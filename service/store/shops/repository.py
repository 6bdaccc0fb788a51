"""The repository of shops: their configuration with sealed credentials, and their pauses."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from service.domain.customers import OrgId
from service.errors import MalformedData, NotFound, Refused
from service.sentence import Sentence
from service.store import encryption
from service.store.client import RedisClient, keys, load_partitions, load_script, server_time_ms
from service.store.encryption import DataKeys, KeyRing, ShopCipher
from service.store.jobs import pending
from service.store.queue import ALL_QUEUES
from service.store.shops import deletion, uninstall
from service.store.shops.first_look import FIRST_LOOK_KEY, decode_first_look
from service.store.shops.freeze import FREEZE_KEY, decode_freeze
from service.store.shops.model import Shop, exists_already, validate
from service.store.shops.stored_form import Fields, decode_seeded, encode_seeded, seal, to_fields
from service.store.shops.uninstall import UNINSTALLED

TOKEN_REJECTED: Final = "token_rejected"  # noqa: S105  # reason of a pause that ends with a new token

MASS_404: Final = "mass_404"
PAUSED_BY_SERVICE: Final = frozenset({TOKEN_REJECTED, UNINSTALLED, MASS_404})


@dataclass(frozen=True, slots=True)
class WebhookCredentials:
    """What verifies the webhooks of a shop."""

    org: OrgId
    domain: str  # of the shop's API; older webhooks have it instead of the org
    secret: str = field(repr=False)  # the shop's own; "" if it has none, or if it cannot be opened


class ShopRepository:
    """Reads and writes the configuration and the pauses of all shops."""

    def __init__(self, redis: RedisClient, keyring: KeyRing) -> None:
        self._redis = redis
        self._keyring = keyring

    @property
    def keyring(self) -> KeyRing:
        """The keys of SECRET_KEY."""
        return self._keyring

    async def orgs(self, partitions: Collection[int] = keys.PARTITIONS) -> tuple[OrgId, ...]:
        """The shops of these partitions in the order of their numbers, without those whose server is away."""
        members = await self._load_members(partitions)
        return tuple(
            sorted((org for each in members.values() for org in each), key=lambda org: (len(org), org))
        )

    async def _load_members(self, partitions: Collection[int]) -> dict[int, list[OrgId]]:
        members: dict[int, set[bytes]] = await load_partitions(
            self._redis,
            lambda pipe, number: pipe.smembers(keys.of_partition(number, "shops")),
            numbers=partitions,
        )
        return {number: [OrgId(org.decode()) for org in each] for number, each in members.items()}

    async def get(self, org: OrgId) -> Shop | None:
        """The shop with its token and secret, or None. Raises MalformedData if one of them cannot be opened."""
        loaded = await self._load(org)
        if loaded is None:
            return None
        shop, stored = loaded
        secret = stored.get(b"secret")
        return replace(
            shop,
            token=shop.cipher.open(stored[b"token"], field="token").decode(),
            secret=shop.cipher.open(secret, field="secret").decode() if secret else "",
        )

    async def describe(self, org: OrgId) -> Shop:
        """The shop without token and secret: works also if they cannot be opened. Raises NotFound."""
        loaded = await self._load(org)
        if loaded is None:
            raise _no_shop(org)
        return loaded[0]

    async def cipher(self, org: OrgId) -> ShopCipher:
        """What opens the shop's sealed values, as far as SECRET_KEY has the keys."""
        stored: dict[bytes, bytes] = await self._redis.hgetall(keys.shop(org, "data_keys"))
        return encryption.open_cipher(self._keyring, org, stored)

    async def exists(self, org: OrgId) -> bool:
        """Whether there is such a shop."""
        return bool(await self._redis.exists(keys.shop(org, "shop")))

    async def _load(self, org: OrgId) -> tuple[Shop, dict[bytes, bytes]] | None:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.shop(org, "shop"))
            pipe.hmget(keys.shop(org, "state"), "paused", "paused_since", "paused_by", "removals_paused")
            pipe.hgetall(keys.shop(org, "data_keys"))
            pipe.get(keys.shop(org, FIRST_LOOK_KEY))
            pipe.get(keys.shop(org, FREEZE_KEY))
            stored, (paused, since, by, removals), data_keys, first_look, freeze = await pipe.execute()
        if not stored:
            return None
        shop = Shop(
            org=org,
            name=stored[b"name"].decode(),
            dialect="admin" if stored[b"dialect"] == b"admin" else "omni",
            api_url=stored[b"api_url"].decode(),
            token="",
            timezone=stored[b"timezone"].decode(),
            currency=stored[b"currency"].decode(),
            reserve=int(stored.get(b"reserve", 0)),
            shadow=stored.get(b"shadow") == b"1",
            paused=(paused or b"").decode(),
            paused_since_ms=int(since or 0),
            paused_by=(by or b"").decode(),
            removals_paused=(removals or b"").decode(),
            cipher=encryption.open_cipher(self._keyring, org, data_keys),
            first_look=decode_first_look(first_look),
            data_id=stored.get(b"data_id", b"").decode(),
            freeze=decode_freeze(freeze),
        )
        return shop, stored

    async def revisions(self) -> dict[int, int]:
        """For each partition a number that grows with every change of a shop's configuration.

        The partitions of a server that is away are left out.
        """
        loaded = await load_partitions(
            self._redis, lambda pipe, number: pipe.get(keys.of_partition(number, "shops_revision"))
        )
        return {number: int(value or 0) for number, value in loaded.items()}

    async def webhook_credentials(self, partitions: Collection[int]) -> dict[int, list[WebhookCredentials]]:
        """The webhook credentials of the shops of each partition; API tokens are neither read nor opened.

        The partitions of a server that is away are left out. Raises redis' errors if it goes away meanwhile.
        """
        members = await self._load_members(partitions)
        orgs = [org for each in members.values() for org in each]
        async with self._redis.pipeline(transaction=False) as pipe:
            for org in orgs:
                pipe.hmget(keys.shop(org, "shop"), "api_url", "secret")
                pipe.hgetall(keys.shop(org, "data_keys"))
            replies = await pipe.execute()
        loaded = {
            org: WebhookCredentials(
                org,
                urlsplit((api_url or b"").decode()).hostname or "",
                self._webhook_secret(org, secret, data_keys),
            )
            for org, (api_url, secret), data_keys in zip(orgs, replies[::2], replies[1::2], strict=True)
        }
        return {number: [loaded[org] for org in each] for number, each in members.items()}

    def _webhook_secret(self, org: OrgId, sealed: bytes | None, data_keys: DataKeys) -> str:
        if not sealed:
            return ""
        try:
            return encryption.open_cipher(self._keyring, org, data_keys).open(sealed, field="secret").decode()
        except MalformedData:
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
        if not await self._create(shop, seeded=False):
            raise exists_already(shop.org)

    async def remove(self, org: OrgId, *, erase: bool) -> None:
        """Remove the shop. With `erase`, delete all of its data: ownership, ledger, versions. Raises NotFound."""
        due_ms = await self._now_ms(org) + deletion.SOON_MS
        job = deletion.erasure_job(org, everything=True, due_ms=due_ms) if erase else None
        removed = await deletion.delist(self._redis, org, job=job)
        if erase:
            await deletion.delete_shop_data(self._redis, org, everything=True)
        if not removed and not erase:
            raise _no_shop(org)

    async def remove_uninstalled(self, org: OrgId, *, token: str, now_ms: int) -> bool:
        """Remove a shop whose app was uninstalled, and delete its data except the keys that a re-install reuses.

        Returns False if the shop has another token by now, or if its uninstall was cleared.
        """

        async def attempt(pipe: Any) -> bool:
            shop, uninstalls = await self.get(org), await uninstall.load_uninstalls(self._redis, [org])
            if shop is None or shop.token != token or org not in uninstalls:
                return False
            pipe.multi()
            due_ms = now_ms + deletion.SOON_MS
            job = deletion.erasure_job(org, everything=False, due_ms=due_ms)
            deletion.queue_delisting(pipe, org, job=job)
            return True

        if not await self._redis.transact([keys.shop(org, "shop"), keys.shop(org, "state")], attempt):
            return False
        await deletion.delete_shop_data(self._redis, org, everything=False)
        return True

    async def set_token(self, org: OrgId, token: str) -> None:
        """Replace the token. Ends a pause for a rejected token or an uninstalled app, but no other.

        Raises NotFound, Refused.
        """
        if not token.strip():
            raise Refused(Sentence("the token is empty"))
        await self._change_sealed(org, token=token.strip())
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
        await self._change_sealed(org, secret=secret.strip())

    async def set_shadow(
        self, org: OrgId, *, shadow: bool, extend: Callable[[Any], None] = lambda _pipe: None
    ) -> None:
        """Enable or disable shadow mode. `extend` may add commands to the transaction. Raises NotFound."""
        await self._change(org, {"shadow": int(shadow)}, extend)

    async def pause(self, org: OrgId, *, reason: str, by: str) -> None:
        """Pause all work of the shop. Its marks stay. An earlier pause keeps its reason and its time."""
        now_ms = await self._now_ms(org)
        # a person's reason may name somebody, so it stays here
        notice = {"org": org, "reason": reason if reason in PAUSED_BY_SERVICE else "by_hand"}
        await load_script("shops", "pause")(self._redis, org, reason, now_ms, by, msgspec.json.encode(notice))

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
        now_ms = await self._now_ms(org)
        fields = ("paused", "paused_since", "paused_by", *uninstall.FIELDS)
        await load_script("shops", "resume")(self._redis, org, now_ms, *fields)

    async def resume_removals(self, org: OrgId) -> None:
        """Resume removals after the removal guard tripped. Earlier removals count as approved from now on."""
        await self._redis.hdel(keys.shop(org, "state"), "removals_paused")
        await self._redis.delete(keys.shop(org, "unexplained_removals"))

    async def apply_environment(self, shop: Shop) -> Shop:
        """Create the shop, or apply the values that changed in the environment since the last call.

        The returned shop has neither token nor secret: nothing is opened, so this works also after the key of
        SECRET_KEY was lost. Raises Refused.
        """
        validate(shop)
        if not await self._create(shop, seeded=True):
            await self._apply(shop)
        return await self.describe(shop.org)

    async def _change_sealed(self, org: OrgId, **values: str) -> None:
        """Seal and store these fields; "" removes one. What was stored is not opened. Raises NotFound."""
        cipher, new_keys = await self._sealing_cipher(org)
        fields: Fields = {name: seal(cipher, value, name) for name, value in values.items()}
        await self._change(org, fields, lambda pipe: encryption.queue_save(pipe, org, new_keys))

    async def _sealing_cipher(self, org: OrgId) -> tuple[ShopCipher, DataKeys]:
        """A cipher that can seal, and its new data key, which must be stored with the first value that it seals.

        A new data key is made if there is none that opens. Raises InvalidSettings without SECRET_KEY.
        """
        cipher = await self.cipher(org)
        if cipher.can_seal:
            return cipher, {}
        new_keys = encryption.new_data_key(self._keyring, org)
        return encryption.open_cipher(self._keyring, org, new_keys), new_keys

    async def _change(
        self, org: OrgId, fields: Fields, extend: Callable[[Any], None] = lambda _pipe: None
    ) -> None:
        """Raises NotFound, also if the shop is removed meanwhile: the write must not create half a shop."""
        key = keys.shop(org, "shop")

        async def attempt(pipe: Any) -> None:
            if not await pipe.exists(key):
                raise _no_shop(org)
            pipe.multi()
            pipe.hset(key, mapping=fields)
            extend(pipe)
            pipe.incr(keys.partition_key(org, "shops_revision"))

        await self._redis.transact([key], attempt)

    async def _apply(self, shop: Shop) -> None:
        stored = await self._redis.hget(keys.shop(shop.org, "shop"), "seeded")
        before = decode_seeded(stored)
        changed: Fields = {}
        if before is None or before.api_url != shop.api_url:
            changed["api_url"] = shop.api_url
        if before is None or before.reserve != shop.reserve:
            changed["reserve"] = shop.reserve
        is_new_token = before is None or not before.is_token(shop.token)
        if is_new_token:
            await self.set_token(shop.org, shop.token)
        if changed or is_new_token:  # last: a start that was interrupted applies everything again
            await self._change(shop.org, {**changed, "seeded": encode_seeded(shop)})

    async def _create(self, shop: Shop, *, seeded: bool) -> bool:
        key = keys.shop(shop.org, "shop")
        cipher, new_keys = await self._sealing_cipher(shop.org)
        fields = to_fields(shop, cipher) | {"data_id": secrets.token_hex(8)}
        if seeded:
            fields["seeded"] = encode_seeded(shop)
        now_ms = await self._now_ms(shop.org)

        async def attempt(pipe: Any) -> bool:
            if await pipe.exists(key):
                return False
            has_marks = await pipe.exists(*(keys.shop(shop.org, name) for name in ALL_QUEUES))
            pipe.multi()
            pipe.hset(key, mapping=fields)
            encryption.queue_save(pipe, shop.org, new_keys)
            pipe.incr(keys.partition_key(shop.org, "shops_revision"))
            pipe.sadd(keys.partition_key(shop.org, "shops"), shop.org)
            pending.queue_delete(pipe, deletion.erasure_job(shop.org, everything=True, due_ms=0))
            if has_marks:
                pipe.zadd(keys.partition_key(shop.org, "due_shops"), {shop.org: now_ms})
            for name in deletion.KEPT_KEYS:
                pipe.persist(keys.shop(shop.org, name))
            return True

        created: bool = await self._redis.transact([key], attempt)
        return created

    async def _now_ms(self, org: OrgId) -> int:
        return await server_time_ms(self._redis, org) // 1000 * 1000


def _no_shop(org: OrgId) -> NotFound:
    return NotFound(Sentence("there is no shop {org}; see: tagger shops list", org=org))
