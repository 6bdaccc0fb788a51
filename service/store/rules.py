"""Versions of a shop's rules: immutable and numbered. One of them is live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import msgspec

from service.domain.customers import OrgId
from service.domain.documents import canonical_json, content_id, parse_rules
from service.domain.engine import CompiledRules, compile_rules
from service.domain.preview import diff_rules
from service.domain.rules import Inheritance, RuleSet, decode_inheritance, encode_inheritance, inherit
from service.errors import NotFound, Refused
from service.sentence import Sentence, Words
from service.store.client import RedisClient, keys, server_time_ms
from service.store.events import notices
from service.store.shops import FIRST_LOOK_KEY, FirstLook, Shop, decode_first_look, queue_first_look

MAX_DOCUMENTS: Final = 64  # parsed documents in memory
MAX_CACHED: Final = 2000  # shops; the rules of one take some hundred kilobytes at most
RETRACTED_OWNER: Final = "~retracted"  # owner of tags that a person retracts; not a rule's id


def compile_version(rule_set: RuleSet, *, inherited: Inheritance) -> CompiledRules:
    """The compiled rules of a version. Retracted tags are removed, whatever the rules say."""
    policies = {**inherited.orphan_policies, RETRACTED_OWNER: "remove"}
    return compile_rules(rule_set, inheritance=replace(inherited, orphan_policies=policies))


def check_currency(rule_set: RuleSet, currency: str) -> None:
    """Raises Refused if the rules' amounts are in another currency than the shop's."""
    if rule_set.currency != currency:
        raise Refused(
            Sentence(
                "the rules are in {currency}, the shop's amounts in {own}: write `currency: {own}`, and all amounts in it",
                currency=rule_set.currency,
                own=currency,
            )
        )


class RulesChanged(Refused):
    """Another version of the rules was published since the author began. `live` is its number."""

    def __init__(self, message: str | Sentence, *, live: int = 0) -> None:
        super().__init__(message)
        self.live = live


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One published version. It never changes after it was stored."""

    number: int
    content: str  # the document's content id: equal rules have equal ids, which shows a roll-back
    author: str
    note: str
    at_ms: int
    parent: int  # the live version when the author began; 0 = none
    preview: dict[str, Any] | None = None  # the preview that the author saw
    changed: tuple[str, ...] = ()  # ids of the rules and tiers that differ from the parent
    scheduled_ms: int = 0  # when a scheduled publish was due; 0: it was not scheduled


FIRST_NOTE: Final = Sentence("the first rules")


def rollback_note(version: int) -> Sentence:
    """The note of a roll-back without a note. 0: to no rules."""
    if not version:
        return Sentence("back to no rules")
    return Sentence("back to version {version}", version=version)


def describe_note(note: str, words: Words) -> str:
    """A stored note, in the language of `words` if the service wrote it."""
    if note == str(FIRST_NOTE):
        return FIRST_NOTE.text(words)
    number = note.rpartition(" ")[2]
    written = rollback_note(int(number) if number.isascii() and number.isdigit() else 0)
    return written.text(words) if note == str(written) else note


class Versions:
    """Reads and writes the versions of all shops."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._documents: dict[str, RuleSet] = {}  # by content id

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
        first_look: FirstLook | None = None,
        at_ms: int = 0,
        scheduled_ms: int = 0,
        unchanged: Mapping[str, bytes | None] = MappingProxyType({}),
        extend: Callable[[Any, Version], None] = lambda _pipe, _version: None,
    ) -> Version:
        """Store a version and make it live, in one transaction. `extend` may add commands to the transaction.

        `parent` is the version that was live when the author began (0 for none). Raises RulesChanged if another version
        was published since, so that no author overwrites the work of another. Raises Refused if the shop's first look is
        not in the state `first_look` any more, and if one of the keys `unchanged` has another value. `inherited` is by default derived
        from the parent; a roll-back passes more. `at_ms` is the time of a version of the past; 0 stands for now.
        """
        before = await self.document(org, parent) if parent else RuleSet()
        now_ms = await server_time_ms(self._redis, org)
        version = Version(
            number=parent + 1,
            content=content_id(rule_set),
            author=author,
            note=note,
            at_ms=at_ms or now_ms // 1000 * 1000,
            parent=parent,
            preview=preview,
            changed=tuple(change.id for change in diff_rules(before, rule_set)),
            scheduled_ms=scheduled_ms,
        )
        if inherited is None:
            inherited = await self.derive_inherited(org, rule_set, parent=parent)
        document, inheritance = canonical_json(rule_set), encode_inheritance(inherited)

        def queue(pipe: Any) -> None:
            pipe.hsetnx(keys.shop(org, "documents"), version.content, document)
            pipe.hset(keys.shop(org, "versions"), version.number, _ENCODER.encode(version))
            pipe.hset(keys.shop(org, "inherited"), version.number, inheritance)
            pipe.set(keys.shop(org, "live_version"), version.number)
            notices.queue_published(pipe, org, version=version.number, parent=parent, by=author)
            extend(pipe, version)

        if not await self.execute_if(org, queue, live=parent, first_look=first_look, unchanged=unchanged):
            live = await self.live_number(org)
            if live == parent:
                raise Refused(
                    Sentence(
                        "the first look or the schedule of shop {org} went on meanwhile: look at the preview and publish again",
                        org=org,
                    )
                )
            raise RulesChanged(
                Sentence(
                    "version {live} of shop {org}'s rules was published meanwhile, you began from {parent}: look at what changed and publish again",
                    live=live,
                    org=org,
                    parent=parent,
                ),
                live=live,
            )
        return version

    async def settle_first_look(
        self, org: OrgId, state: FirstLook, *, before: FirstLook, live: int, extend: Callable[[Any], None]
    ) -> bool:
        """Store how a first look ended under the version `live`. `extend` may add commands to the transaction.

        Returns False and stores nothing if other rules are live, or if the state is not `before` any more.
        """

        def queue(pipe: Any) -> None:
            queue_first_look(pipe, org, state)
            extend(pipe)

        return await self.execute_if(org, queue, live=live, first_look=before)

    async def live_number(self, org: OrgId) -> int:
        """The number of the live version. 0 = none."""
        return int(await self._redis.get(keys.shop(org, "live_version")) or 0)

    async def live(self, org: OrgId) -> Version | None:
        """The live version. None before the first."""
        number = await self.live_number(org)
        return await self.get(org, number) if number else None

    async def get(self, org: OrgId, number: int) -> Version:
        """One version. Raises NotFound."""
        stored = await self._redis.hget(keys.shop(org, "versions"), number)
        if stored is None:
            raise NotFound(
                Sentence("shop {org} has no version {number} of its rules", org=org, number=number)
            )
        return _DECODER.decode(stored)

    async def history(self, org: OrgId) -> tuple[Version, ...]:
        """All versions, newest first."""
        stored = await self._redis.hvals(keys.shop(org, "versions"))
        return tuple(sorted(map(_DECODER.decode, stored), key=lambda version: -version.number))

    async def document(self, org: OrgId, number: int) -> RuleSet:
        """The rules of one version. Raises NotFound."""
        content = (await self.get(org, number)).content
        cached = self._documents.get(content)
        if cached is not None:
            return cached
        stored = await self._redis.hget(keys.shop(org, "documents"), content)
        if stored is None:
            raise NotFound(
                Sentence(
                    "the document of version {number} of shop {org} is missing in Redis",
                    number=number,
                    org=org,
                )
            )
        rule_set = parse_rules(stored.decode())
        if len(self._documents) >= MAX_DOCUMENTS:
            self._documents.pop(next(iter(self._documents)))
        self._documents[content] = rule_set
        return rule_set

    async def inherited(self, org: OrgId, number: int) -> Inheritance:
        """What a version inherits from earlier ones."""
        return decode_inheritance(await self._redis.hget(keys.shop(org, "inherited"), number) or b"")

    async def derive_inherited(self, org: OrgId, rule_set: RuleSet, *, parent: int) -> Inheritance:
        """What a version of these rules inherits if it follows `parent`: the policies of rules that it lacks."""
        if not parent:
            return Inheritance()
        before = await self.document(org, parent)
        return inherit(await self.inherited(org, parent), before=before, after=rule_set)

    async def compiled(self, org: OrgId, number: int, *, timezone: str, currency: str) -> CompiledRules:
        """The compiled rules of a version. Version 0, before the first, has no rules. Raises NotFound."""
        if not number:
            return compile_rules(RuleSet(timezone=timezone, currency=currency))
        return compile_version(await self.document(org, number), inherited=await self.inherited(org, number))

    async def is_blank(self, org: OrgId) -> bool:
        """Whether the shop has neither rules nor customer data, so RULES_FILE may give it its first rules."""
        names = ("live_version", "owned", "snapshots")
        return not await self._redis.exists(*(keys.shop(org, name) for name in names))

    async def execute_if(
        self,
        org: OrgId,
        queue: Callable[[Any], None],
        *,
        live: int,
        first_look: FirstLook | None = None,
        unchanged: Mapping[str, bytes | None] = MappingProxyType({}),
    ) -> bool:
        """Execute the queued commands if the version `live` is live, and the first look is in this state (None: any).

        `unchanged` are names of keys of the shop with the values that they must have. Returns False if something else is
        true, or becomes true meanwhile.
        """
        names = [keys.shop(org, name) for name in ("live_version", FIRST_LOOK_KEY, *unchanged)]

        async def attempt(pipe: Any) -> bool:
            version, state, *values = await pipe.mget(names)
            if int(version or 0) != live or first_look not in (None, decode_first_look(state)):
                return False
            if values != [*unchanged.values()]:
                return False
            pipe.multi()
            queue(pipe)
            return True

        executed: bool = await self._redis.transact(names, attempt)
        return executed


class CompiledRulesCache:
    """The compiled live rules of each shop. Versions never change, so an entry holds until another version is live.

    A shop that was removed, and then added again or restored, has other data, whose versions may have the same numbers.
    """

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._compiled: dict[
            OrgId, tuple[str, int, CompiledRules]
        ] = {}  # with the data and the version's number

    async def get(self, shop: Shop, version: int) -> CompiledRules:
        """The compiled rules of a version; of version 0 there are none. Raises NotFound."""
        cached = self._compiled.get(shop.org)
        if cached is not None and cached[:2] == (shop.data_id, version):
            return cached[2]
        compiled = await self._versions.compiled(
            shop.org, version, timezone=shop.timezone, currency=shop.currency
        )
        if len(self._compiled) >= MAX_CACHED:
            self._compiled.pop(next(iter(self._compiled)))
        self._compiled[shop.org] = (shop.data_id, version, compiled)
        return compiled


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Version)
