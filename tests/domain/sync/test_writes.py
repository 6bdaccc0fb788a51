"""What became of earlier writes: each stage of the evaluation alone, and tags that are reverted again and again."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from service.domain.customers.tags import TagChange, tag_set
from service.domain.decisions.decide import Decision
from service.domain.decisions.outcome import Effect, TagOutcome
from service.domain.decisions.state import CustomerState, Ownership, WriteIntent
from service.domain.sync.writes import (
    REVERT_WINDOW_MS,
    REVERTS_CODEC,
    WRITE_GRACE_MS,
    RevertHistory,
    Reverts,
    WriteStatus,
    detect_reverts,
    keep_recent,
    record_reverts,
    resolve_writes,
    suppress,
    suppressed_tags,
)

NOW = 1_800_000_000_000
FRESH, OLD = NOW - WRITE_GRACE_MS + 1, NOW - WRITE_GRACE_MS


def vip(since_ms: int) -> Ownership:
    return Ownership("VIP", "vip", since_ms, 1)


def addition(at_ms: int) -> WriteIntent:
    return WriteIntent("VIP", "vip", at_ms, 1)


def removal(at_ms: int) -> WriteIntent:
    return WriteIntent("VIP", "vip", at_ms, 1, is_removal=True)


def decided(effect: Effect = "add", owned: Mapping[str, Ownership] | None = None) -> Decision:
    return Decision(CustomerState(owned or {}), (TagOutcome(effect, "VIP", "matched", "vip"),), None)


@pytest.mark.parametrize(
    ("owned", "intents", "tags", "status"),
    [
        pytest.param(
            {"vip": vip(OLD)}, {}, ["vip"], WriteStatus({"vip": vip(OLD)}, {}, {}, {}), id="present"
        ),
        pytest.param(
            {"vip": vip(FRESH)}, {}, [], WriteStatus({}, {"vip": vip(FRESH)}, {}, {}), id="not shown yet"
        ),
        pytest.param({"vip": vip(OLD)}, {}, [], WriteStatus({}, {}, {"vip": vip(OLD)}, {}), id="lost"),
        pytest.param(
            {},
            {"vip": addition(FRESH)},
            ["VIP"],
            WriteStatus({"vip": vip(FRESH)}, {}, {}, {"vip": addition(FRESH)}, (addition(FRESH),)),
            id="an addition whose answer was lost",
        ),
        pytest.param(
            {"vip": vip(OLD)},
            {",vip": removal(OLD)},
            [],
            WriteStatus({}, {}, {}, {}, (removal(OLD),)),
            id="a removal whose answer was lost",
        ),
        pytest.param(
            {}, {"vip": addition(OLD)}, [], WriteStatus({}, {}, {}, {}), id="an addition that never arrived"
        ),
        pytest.param(
            {},
            {"vip": WriteIntent("VIP", "", OLD)},
            ["VIP"],
            WriteStatus({}, {}, {}, {}),
            id="a restored tag that is not ours",
        ),
    ],
)
def test_a_record_shows_which_writes_arrived(
    owned: dict[str, Ownership], intents: dict[str, WriteIntent], tags: list[str], status: WriteStatus
) -> None:
    assert resolve_writes(owned=owned, intents=intents, current=tag_set(tags), now_ms=NOW) == status


LOST = WriteStatus({}, {}, {"vip": vip(OLD)}, {})
RECENT = WriteStatus({}, {"vip": vip(FRESH)}, {}, {})


@pytest.mark.parametrize(
    ("writes", "effect", "history", "reverts"),
    [
        pytest.param(LOST, "add", {}, Reverts(("VIP",), {"vip": (NOW,)}), id="lost, and added again"),
        pytest.param(LOST, "have", {}, Reverts(("VIP",), {}), id="lost, and no longer wanted"),
        pytest.param(RECENT, "add", {}, Reverts(("VIP",), {"vip": (FRESH,)}), id="removed at once"),
        pytest.param(RECENT, "add", {"vip": (FRESH,)}, Reverts((), {"vip": (FRESH,)}), id="counted already"),
        pytest.param(RECENT, "have", {}, Reverts((), {}), id="the record may be older"),
    ],
)
def test_our_tag_that_somebody_removed_counts_as_reverted_once(
    writes: WriteStatus, effect: Effect, history: dict[str, tuple[int, ...]], reverts: Reverts
) -> None:
    assert detect_reverts(writes, decided(effect), history, count=True, now_ms=NOW) == reverts


def test_a_revert_is_returned_but_not_recorded_without_count() -> None:
    assert detect_reverts(LOST, decided(), {}, count=False, now_ms=NOW) == Reverts(("VIP",), {})


def test_a_suppressed_addition_is_not_owned() -> None:
    decision, tags = suppress(decided("add", {"vip": vip(NOW)}), frozenset({"vip"}), CustomerState())

    assert tags == ("VIP",)
    assert decision.change == TagChange()
    assert decision.state.ownership == {}


def test_a_suppressed_removal_leaves_the_tag_owned() -> None:
    before = CustomerState({"vip": vip(OLD)})

    decision, tags = suppress(decided("remove"), frozenset({"vip"}), before)

    assert tags == ("VIP",)
    assert decision.change == TagChange()
    assert decision.state.ownership == before.ownership


@pytest.mark.parametrize("effect", ["have", "retain"])
def test_a_tag_that_is_not_written_is_not_suppressed(effect: Effect) -> None:
    decision = decided(effect)

    assert suppress(decision, frozenset({"vip"}), CustomerState()) == (decision, ())


def test_a_recent_addition_stays_owned_although_the_record_does_not_show_it() -> None:
    assert keep_recent(decided("withhold"), RECENT.recent).state.ownership == {"vip": vip(FRESH)}
    assert keep_recent(decided("withhold"), RECENT.without_recent(["VIP"]).recent).state.ownership == {}


def test_a_recovered_addition_is_owned_since_it_was_sent_and_stays_pending() -> None:
    intent = addition(1_000)

    writes = resolve_writes(owned={}, intents={"vip": intent}, current=tag_set(["vip"]), now_ms=2_000)

    assert writes.present == {"vip": vip(1_000)}
    assert writes.pending == {"vip": intent}  # a second call for the same tag may still arrive


@pytest.mark.parametrize(
    ("age_ms", "is_pending"),
    [
        pytest.param(WRITE_GRACE_MS - 1, True, id="may still arrive"),
        pytest.param(WRITE_GRACE_MS, False, id="dropped"),
    ],
)
def test_an_absent_addition_is_pending_for_ten_minutes(age_ms: int, is_pending: bool) -> None:
    writes = resolve_writes(
        owned={}, intents={"vip": addition(NOW - age_ms)}, current=tag_set([]), now_ms=NOW
    )

    assert writes.owned == {}
    assert bool(writes.pending) is is_pending


def test_an_intent_does_not_overwrite_an_older_ownership() -> None:
    before = {"vip": Ownership("VIP", "first", 1, 1)}

    writes = resolve_writes(
        owned=before, intents={"vip": addition(1_000)}, current=tag_set(["VIP"]), now_ms=2_000
    )

    assert writes.present == before


def reverted_at(*moments: int) -> RevertHistory:
    history: RevertHistory = {}
    for at in moments:
        history = record_reverts(history, {"vip": at}, now_ms=at)
    return history


def test_the_third_revert_within_a_day_suppresses_only_that_tag() -> None:
    history = record_reverts(reverted_at(1, 2, 3), {"gold": 3}, now_ms=3)

    assert suppressed_tags(reverted_at(1, 2), now_ms=3) == frozenset()
    assert suppressed_tags(history, now_ms=3) == {"vip"}


def test_three_reverts_over_more_than_a_day_suppress_nothing() -> None:
    assert suppressed_tags(reverted_at(0, 5, REVERT_WINDOW_MS), now_ms=REVERT_WINDOW_MS) == frozenset()


def test_the_suppression_ends_a_day_after_the_first_of_the_three_reverts() -> None:
    history = reverted_at(10, 20, 30)

    assert suppressed_tags(history, now_ms=9 + REVERT_WINDOW_MS) == {"vip"}
    assert suppressed_tags(history, now_ms=10 + REVERT_WINDOW_MS) == frozenset()


def test_reverts_older_than_a_day_are_dropped() -> None:
    assert record_reverts(reverted_at(1), {}, now_ms=1 + REVERT_WINDOW_MS) == {}


def test_the_stored_history_of_reverts_decodes_as_it_was() -> None:
    history = reverted_at(1, 2)

    assert REVERTS_CODEC.decode(REVERTS_CODEC.encode(history)) == history
    assert REVERTS_CODEC.decode(None) == {}
    assert REVERTS_CODEC.encode({}) == b""
