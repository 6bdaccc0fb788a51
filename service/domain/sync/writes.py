"""What became of earlier writes: lost answers, tags that people reverted, and what is suppressed for a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from service.domain.customers import TagSet, fold
from service.domain.decisions import CustomerState, Decision, Ownership, WriteIntent
from service.domain.sync.reverts import RevertHistory, record_reverts

WRITE_GRACE_MS: Final = 600_000  # a slow write may still arrive for ten minutes


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """What became of our earlier writes, as far as a record shows. Ownership is by folded tag."""

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
        """The same without what is recent of these tags: they are suppressed, and will not be owned."""
        keys = frozenset(map(fold, tags))
        return replace(self, recent={key: own for key, own in self.recent.items() if key not in keys})


def intent_key(intent: WriteIntent) -> str:
    """The key of an intent: an addition and a removal of one tag may be under way at once. No tag has a comma."""
    return ("," if intent.is_removal else "") + fold(intent.tag)


def resolve_writes(
    *, owned: Mapping[str, Ownership], intents: Mapping[str, WriteIntent], current: TagSet, now_ms: int
) -> WriteStatus:
    """Compare ownership and intents with the current tags of the record.

    An addition that the record shows becomes ownership; a removal that it shows ends it. Each intent is kept until
    it is ten minutes old, whatever the record shows: a second, slower call for the same tag may still be on its way,
    and would leave a tag that nobody owns.
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
        pending={key: one for key, one in intents.items() if now_ms - one.at_ms < WRITE_GRACE_MS},
        recovered=tuple(one for one in intents.values() if _has_arrived(one, before=owned, after=resolved)),
    )


def _has_arrived(
    intent: WriteIntent, *, before: Mapping[str, Ownership], after: Mapping[str, Ownership]
) -> bool:
    """Whether ownership began or ended by this intent, as the record shows."""
    key = fold(intent.tag)
    return (key in before) is intent.is_removal and (key in after) is not intent.is_removal


@dataclass(frozen=True, slots=True)
class Reverts:
    """Tags of ours that somebody removed, as we spelled them, and the history that follows from them."""

    tags: tuple[str, ...]
    history: RevertHistory


def detect_reverts(
    writes: WriteStatus, decision: Decision, history: RevertHistory, *, count: bool, now_ms: int
) -> Reverts:
    """Find the tags of ours that somebody removed, and with `count` record those that the decision adds again.

    Each addition counts as reverted at most once. One younger than ten minutes is identified by the time at which it
    was made rather than the time of this read, because it may be read several times and the clock may have been set
    back in between.
    """
    absent = {**writes.recent, **writes.lost}
    wanted = frozenset(fold(one.tag) for one in decision.outcomes if one.effect == "add")
    moments = {
        key: own.since_ms if key in writes.recent else now_ms for key, own in absent.items() if key in wanted
    }
    reverted = {key: at for key, at in moments.items() if at not in history.get(key, ())}
    tags = tuple(own.tag for key, own in absent.items() if key in reverted or key in writes.lost)
    if reverted and count:
        history = record_reverts(history, reverted, now_ms=now_ms)
    return Reverts(tags, history)


def suppress(
    decision: Decision, suppressed: frozenset[str], before: CustomerState
) -> tuple[Decision, tuple[str, ...]]:
    """Leave these (folded) tags out of a decision; return it with the tags that are not written.

    What is not added is not owned; what is not removed stays owned as `before`.
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
        one for one in decision.outcomes if one.effect not in ("add", "remove") or fold(one.tag) not in keys
    )
    state = replace(decision.state, ownership=owned)
    return msgspec.structs.replace(decision, outcomes=outcomes, state=state), tags


def keep_recent(decision: Decision, recent: Mapping[str, Ownership]) -> Decision:
    """Keep the ownership of what was just added although the record does not show it.

    Otherwise a record that is older than our write would leave the tag there for ever.
    """
    if not recent:
        return decision
    state = replace(decision.state, ownership={**recent, **decision.state.ownership})
    return msgspec.structs.replace(decision, state=state)
