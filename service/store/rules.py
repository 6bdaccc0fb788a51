"""Rule versions: immutable, numbered, addressed by content; one of them is live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import WatchError

from service.domain.customers import OrgId
from service.domain.documents import canonical_json, content_id, parse_rules
from service.domain.engine import CompiledRules, compile_rules
from service.domain.rules import Inheritance, RuleSet, decode_inheritance, encode_inheritance, inherit
from service.errors import NotFound, Refused
from service.store.client import keys

SHOP_DATA: Final = (
    "live_version",
    "owned",
    "snapshots",
)  # any of these: the shop has a past, RULES_FILE stays out

MAX_DOCUMENTS: Final = 64  # parsed documents kept in memory
RETRACTED_OWNER: Final = (
    "~retracted"  # owner of tags that a person takes back: no rule's id, and what it gave is removed
)


def compile_version(rule_set: RuleSet, *, inherited: Inheritance) -> CompiledRules:
    """The rules of a version, ready to decide with."""
    return compile_rules(
        rule_set,
        inheritance=replace(
            inherited, orphan_policies={**inherited.orphan_policies, RETRACTED_OWNER: "remove"}
        ),
    )


def check_currency(rule_set: RuleSet, currency: str) -> None:
    """Refused where the rules' amounts would be compared with amounts of another currency (the shop's)."""
    if rule_set.currency != currency:
        raise Refused(
            f"the rules are in {rule_set.currency}, the shop's amounts in {currency}: "
            f"write `currency: {currency}`, and all amounts in it"
        )


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one published version; never changed after it was stored."""

    number: int
    content: str  # the document's content id: equal for equal rules, so a roll-back is seen as one
    author: str
    note: str
    at_ms: int
    parent: int  # the number that was live when the author began; 0 for the first
    preview: dict[str, Any] | None = None  # what the author was shown before publishing


class Versions:
    """Every read and write of a shop's rules."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # redis-py types its answers as "awaitable or not"
        self._documents: dict[str, RuleSet] = {}  # by content id: equal ids are equal rules

    async def publish(
        self,
        org: OrgId,
        rule_set: RuleSet,
        *,
        author: str,
        note: str = "",
        parent: int,
        preview: dict[str, Any] | None = None,
        inherited: Inheritance | None = None,
        extend: Callable[[Any, Version], None] = lambda _pipe, _version: None,
    ) -> Version:
        """Store the document and make it live, in one transaction, to which `also` may add commands.

        `past` is what it inherits (see ownership.Past); by default what follows from the parent's, which a
        roll-back adds to.

        `parent` is the live version's number as the author saw it (0 for none); Refused when another one was
        published since, so that nobody's work is overwritten unseen.
        """
        seconds, _ = await self._redis.time()
        version = Version(
            number=parent + 1,
            content=content_id(rule_set),
            author=author,
            note=note,
            at_ms=seconds * 1000,
            parent=parent,
            preview=preview,
        )
        inherited = (
            await self.derive_inherited(org, rule_set, parent=parent) if inherited is None else inherited
        )
        if not await self._store(org, version, canonical_json(rule_set), inherited, extend):
            live = await self.live_number(org)
            raise Refused(
                f"version {live} of shop {org}'s rules was published meanwhile, you began from {parent}: "
                "look at what changed and publish again"
            )
        return version

    async def live_number(self, org: OrgId) -> int:
        """The number of the live version, 0 for none."""
        return int(await self._redis.get(keys.shop(org, "live_version")) or 0)

    async def live(self, org: OrgId) -> Version | None:
        """The version that is live, or None before the first one."""
        number = await self.live_number(org)
        return await self.get(org, number) if number else None

    async def get(self, org: OrgId, number: int) -> Version:
        """One version; raises NotFound."""
        stored = await self._redis.hget(keys.shop(org, "versions"), number)
        if stored is None:
            raise NotFound(f"shop {org} has no version {number} of its rules")
        return _DECODER.decode(stored)

    async def history(self, org: OrgId) -> tuple[Version, ...]:
        """All versions, the newest first."""
        stored = await self._redis.hvals(keys.shop(org, "versions"))
        return tuple(sorted(map(_DECODER.decode, stored), key=lambda version: -version.number))

    async def document(self, org: OrgId, number: int) -> RuleSet:
        """The rules of one version; raises NotFound."""
        content = (await self.get(org, number)).content
        known = self._documents.get(content)
        if known is not None:
            return known
        stored = await self._redis.hget(keys.shop(org, "documents"), content)
        if stored is None:
            raise NotFound(f"the document of version {number} of shop {org} is gone from the store")
        rule_set = parse_rules(stored.decode())
        if len(self._documents) >= MAX_DOCUMENTS:
            self._documents.pop(next(iter(self._documents)))
        self._documents[content] = rule_set
        return rule_set

    async def inherited(self, org: OrgId, number: int) -> Inheritance:
        """What that version inherits from those before it."""
        return decode_inheritance(await self._redis.hget(keys.shop(org, "inherited"), number) or b"")

    async def derive_inherited(self, org: OrgId, rule_set: RuleSet, *, parent: int) -> Inheritance:
        """The past of a version that would follow `parent`: rules that leave speak for the last time."""
        if not parent:
            return Inheritance()
        before = await self.document(org, parent)
        return inherit(await self.inherited(org, parent), before=before, after=rule_set)

    async def compiled(self, org: OrgId, number: int, *, timezone: str, currency: str) -> CompiledRules:
        """The rules of a version, ready; of version 0, before the first, there are none. Raises NotFound."""
        if not number:
            return compile_rules(RuleSet(timezone=timezone, currency=currency))
        return compile_version(await self.document(org, number), inherited=await self.inherited(org, number))

    async def is_blank(self, org: OrgId) -> bool:
        """Whether the shop has neither rules nor customer data."""
        return not await self._redis.exists(*(keys.shop(org, name) for name in SHOP_DATA))

    async def _store(
        self,
        org: OrgId,
        version: Version,
        document: bytes,
        inherited: Inheritance,
        extend: Callable[[Any, Version], None],
    ) -> bool:
        """False when another version went live since `version.parent`."""
        live = keys.shop(org, "live_version")
        async with self._redis.pipeline() as pipe:
            try:
                await pipe.watch(live)
                if int(await pipe.get(live) or 0) != version.parent:
                    return False
                pipe.multi()
                pipe.hsetnx(keys.shop(org, "documents"), version.content, document)
                pipe.hset(keys.shop(org, "versions"), version.number, _ENCODER.encode(version))
                pipe.hset(keys.shop(org, "inherited"), version.number, encode_inheritance(inherited))
                pipe.set(live, version.number)
                extend(pipe, version)
                await pipe.execute()
            except WatchError:
                return False
        return True


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Version)
