"""Earlier writes: which arrived although the answer was lost, which somebody reverted, and which tags rest for a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from service.domain.customers import TagSet, fold
from service.domain.decisions import Codec, CustomerState, Decision, Ownership, WriteIntent

WRITE_GRACE_MS: Final = 600_000  # a slow write may still arrive for ten minutes
REVERT_WINDOW_MS: Final = 24 * 3_600_000
MAX_REVERTS: Final = 3  # so many within the window suppress the tag

RevertHistory = Mapping[str, tuple[int, ...]]  # folded tag -> when it was reverted, ms
REVERTS_CODEC: Final[Codec[tuple[int, ...]]] = Codec(tuple[int, ...])  # by folded tag


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """What became of our earlier writes, as far as a record shows. All mappings to `Ownership` are by folded tag."""

    present: Mapping[str, Ownership]  # owned, and in the record
    recent: Mapping[str, Ownership]  # owned, absent, added less than ten minutes ago: the record may be older
    lost: Mapping[str, Ownership]  # owned, absent, older: ownership ends
    pending: Mapping[str, WriteIntent]  # may still arrive
    recovered: tuple[WriteIntent, ...] = ()  # arrived although the answer was lost

    @property
    def owned(self) -> dict[str, Ownership]:
        """All ownership, whether the record shows the tags or not."""
        return {**self.present, **self.recent, **self.lost}

    def without_recent(self, tags: Iterable[str]) -> WriteStatus:
        """The same, without the recent ownership of these tags. Suppressed tags are not owned."""
        keys = frozenset(map(fold, tags))
        return replace(self, recent={key: own for key, own in self.recent.items() if key not in keys})


def intent_key(intent: WriteIntent) -> str:
    """The stored key of an intent: the folded tag, with a comma before it for a removal.

    An addition and a removal of the same tag may be pending at once. No tag contains a comma.
    """
    return ("," if intent.is_removal else "") + fold(intent.tag)


def resolve_writes(
    *, owned: Mapping[str, Ownership], intents: Mapping[str, WriteIntent], current: TagSet, now_ms: int
) -> WriteStatus:
    """Compare ownership and intents with the current tags of the record.

    An addition that the record shows becomes ownership, and a removal that it shows ends ownership. Each intent is
    kept until it is ten minutes old, whatever the record shows: a second, slower call for the same tag may still be
    under way, and would leave a tag that nobody owns.
    """
    resolved, tags = dict(owned), current.by_key
    for intent in intents.values():
        key = fold(intent.tag)
        if intent.is_removal and key not in tags:
            resolved.pop(key, None)
        elif intent.rule and not intent.is_removal and key in tags:
            resolved.setdefault(key, Ownership(intent.tag, intent.rule, intent.at_ms, intent.version))
    absent = {key: own for key, own in resolved.items() if key not in tags}
    recent = {key: own for key, own in absent.items() if now_ms - own.since_ms < WRITE_GRACE_MS}
    return WriteStatus(
        present={key: own for key, own in resolved.items() if key in tags},
        recent=recent,
        lost={key: own for key, own in absent.items() if key not in recent},
        pending={key: intent for key, intent in intents.items() if now_ms - intent.at_ms < WRITE_GRACE_MS},
        recovered=tuple(
            intent for intent in intents.values() if _has_arrived(intent, before=owned, after=resolved)
        ),
    )


def _has_arrived(
    intent: WriteIntent, *, before: Mapping[str, Ownership], after: Mapping[str, Ownership]
) -> bool:
    """Whether this intent started or ended an ownership."""
    key = fold(intent.tag)
    return (key in before) is intent.is_removal and (key in after) is not intent.is_removal


@dataclass(frozen=True, slots=True)
class Reverts:
    """Our tags that somebody removed, as we spelled them, and the history with them."""

    tags: tuple[str, ...]
    history: RevertHistory


def detect_reverts(
    writes: WriteStatus, decision: Decision, history: RevertHistory, *, count: bool, now_ms: int
) -> Reverts:
    """Find our tags that somebody removed. With `count`, record those that the decision adds again.

    Each addition counts as reverted at most once. An addition younger than ten minutes is identified by the time it
    was made rather than the time of this read, because it may be read several times and the clock may have been set
    back in between.
    """
    absent = {**writes.recent, **writes.lost}
    added = frozenset(fold(outcome.tag) for outcome in decision.outcomes if outcome.effect == "add")
    moments = {
        key: own.since_ms if key in writes.recent else now_ms for key, own in absent.items() if key in added
    }
    reverted = {key: at for key, at in moments.items() if at not in history.get(key, ())}
    tags = tuple(own.tag for key, own in absent.items() if key in reverted or key in writes.lost)
    if reverted and count:
        history = record_reverts(history, reverted, now_ms=now_ms)
    return Reverts(tags, history)


def record_reverts(history: RevertHistory, reverted: Mapping[str, int], *, now_ms: int) -> RevertHistory:
    """Add the moments (ms) at which these folded tags were reverted, and drop those older than a day."""
    recent = {
        tag: tuple(at for at in moments if now_ms - at < REVERT_WINDOW_MS) for tag, moments in history.items()
    }
    for tag, at in reverted.items():
        recent[tag] = (*recent.get(tag, ()), at)[-MAX_REVERTS:]
    return {tag: moments for tag, moments in recent.items() if moments}


def suppressed_tags(history: RevertHistory, *, now_ms: int) -> frozenset[str]:
    """The folded tags that must not be written now: reverted three times within a day."""
    return frozenset(
        tag
        for tag, moments in history.items()
        if sum(now_ms - at < REVERT_WINDOW_MS for at in moments) >= MAX_REVERTS
    )


def suppress(
    decision: Decision, suppressed: frozenset[str], before: CustomerState
) -> tuple[Decision, tuple[str, ...]]:
    """Return the decision without writes of these (folded) tags, and the names of the tags left out.

    A tag that is not added is not owned. A tag that is not removed stays owned as in `before`.
    """
    change = decision.change
    tags = tuple(tag for tag in (*change.add, *change.remove) if fold(tag) in suppressed)
    if not tags:
        return decision, ()
    keys = frozenset(map(fold, tags))
    owned = {key: own for key, own in decision.state.ownership.items() if key not in keys}
    stays = keys.intersection(map(fold, change.remove)) & before.ownership.keys()
    owned |= {key: before.ownership[key] for key in stays}
    outcomes = tuple(
        outcome
        for outcome in decision.outcomes
        if outcome.effect not in ("add", "remove") or fold(outcome.tag) not in keys
    )
    state = replace(decision.state, ownership=owned)
    return msgspec.structs.replace(decision, outcomes=outcomes, state=state), tags


def keep_recent(decision: Decision, recent: Mapping[str, Ownership]) -> Decision:
    """Keep the ownership of tags added less than ten minutes ago that the record does not show.

    Otherwise a record older than our write would end the ownership, and the tag would stay for ever.
    """
    if not recent:
        return decision
    state = replace(decision.state, ownership={**recent, **decision.state.ownership})
    return msgspec.structs.replace(decision, state=state)
