"""Dead letters: grouped by cause, evaluated again by a filter, or dropped with a reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import CustomerId, OrgId
from service.domain.explain import Translator
from service.errors import NotFound, Refused
from service.operations.customers import format_dead_letter
from service.sentence import Sentence
from service.store.client import RedisClient
from service.store.history import audit_log
from service.store.queue import DeadLetter, dead_letters

ANY_DETAILS: Final = ("crash", "undone")  # the details of these causes differ by customer, the cause does not


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which open letters. An empty part matches all. `before_ms`: the last failure was earlier."""

    group: str = ""  # a key of `group_key`
    cause: str = ""  # the kind of a cause, such as `rejected`
    customers: frozenset[CustomerId] | None = None
    since_ms: int = 0
    before_ms: int | None = None

    def matches(self, letter: DeadLetter) -> bool:
        """Whether a letter is one of them."""
        return (
            (not self.group or group_key(letter) == self.group)
            and (not self.cause or letter.cause.partition(":")[0] == self.cause)
            and (self.customers is None or letter.customer in self.customers)
            and letter.last_ms >= self.since_ms
            and (self.before_ms is None or letter.last_ms < self.before_ms)
        )

    @property
    def kind(self) -> str:
        """The kind of the cause, if the filter names one."""
        return self.cause or self.group.partition("|")[0].partition(":")[0]


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """Letters with the same cause and text, oldest first, with what would most likely help."""

    key: str
    cause: str
    text: str
    fix: str
    letters: tuple[DeadLetter, ...]

    @property
    def last_ms(self) -> int:
        """When one of them last failed."""
        return max(letter.last_ms for letter in self.letters)

    @property
    def is_transient(self) -> bool:
        """Whether all of them are tried again every day."""
        return all(letter.transient for letter in self.letters)


async def find_letters(redis: RedisClient, org: OrgId, wanted: LetterFilter) -> list[DeadLetter]:
    """The open letters that match, oldest first."""
    return [letter for letter in await dead_letters.list_open(redis, org) if wanted.matches(letter)]


def group_key(letter: DeadLetter) -> str:
    """What the letters of a group have in common."""
    kind = letter.cause.partition(":")[0]
    return kind if kind in ANY_DETAILS else f"{letter.cause}|{letter.text}"


def group_letters(letters: Iterable[DeadLetter], *, words: Translator) -> tuple[LetterGroup, ...]:
    """Group letters by cause and text, the largest group first."""
    grouped: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        grouped.setdefault(group_key(letter), []).append(letter)
    groups = [_group(key, members, words) for key, members in grouped.items()]
    return tuple(sorted(groups, key=lambda group: -len(group.letters)))


async def retry_dead_letters(
    context: Context, org: OrgId, wanted: LetterFilter, *, by: Actor
) -> list[CustomerId]:
    """Evaluate the customers of these letters again, and try stopped tags again. A success closes their letters.

    Returns the customers. Those without an open letter are left out.
    """
    chosen = sorted({letter.customer for letter in await find_letters(context.redis, org, wanted)})
    if chosen:
        count = len(chosen)
        summary = (
            Sentence("customers: {count}, cause: {cause}", count=count, cause=wanted.kind)
            if wanted.kind
            else Sentence("customers: {count}", count=count)
        )
        async with audit_log.recorded(context.redis, by, "retry_dead_letters", org=org, summary=summary):
            await dead_letters.retry(context.redis, org, chosen)
    return chosen


async def drop_dead_letters(
    context: Context, org: OrgId, wanted: LetterFilter, *, by: Actor, reason: str
) -> list[CustomerId]:
    """Close the letters without evaluating their customers, whose tags stay as they are. Returns the customers.

    Raises Refused without a reason, and NotFound if no letter matches. A letter that a success closes meanwhile is none
    of them.
    """
    if not reason.strip():
        raise Refused(Sentence("say why the dead letters are dropped: the audit log keeps the reason"))
    letters = await find_letters(context.redis, org, wanted)
    if not letters:
        raise NotFound(Sentence("there is no such open dead letter"))
    chosen = sorted({letter.customer for letter in letters})
    why = reason.strip()
    summary = (
        Sentence("customer {customer}: {reason}", customer=chosen[0], reason=why)
        if len(chosen) == 1
        else Sentence("customers: {count} ({reason})", count=len(chosen), reason=why)
    )
    async with audit_log.recorded(context.redis, by, "drop_dead_letters", org=org, summary=summary):
        await dead_letters.drop(context.redis, org, letters)
    return chosen


def _group(key: str, letters: list[DeadLetter], words: Translator) -> LetterGroup:
    kind, first = letters[0].cause.partition(":")[0], letters[0]
    causes = {letter.cause for letter in letters}
    text = format_dead_letter(first, words=words) if len(causes) == 1 else words(f"letters.kind.{kind}")
    fix = f"letters.fix.{kind}"
    return LetterGroup(
        key=key,
        cause=kind,
        text=text,
        fix=words(fix) if words.has(fix) else words("letters.fix.other"),
        letters=tuple(letters),
    )
