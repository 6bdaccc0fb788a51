"""What became of earlier writes: each stage of evaluating a customer alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from service.domain.customers.tags import TagChange, tag_set
from service.domain.decisions.decide import Decision
from service.domain.decisions.outcome import Effect, TagOutcome
from service.domain.decisions.state import CustomerState, Ownership, WriteIntent
from service.domain.sync.writes import (
    WRITE_GRACE_MS,
    Reverts,
    WriteStatus,
    detect_reverts,
    keep_recent,
    resolve_writes,
    suppress,
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
        pytest.param({"vip": vip(OLD)}, {}, ["vip"], WriteStatus({"vip": vip(OLD)}, {}, {}, {}), id="there"),
        pytest.param(
            {"vip": vip(FRESH)}, {}, [], WriteStatus({}, {"vip": vip(FRESH)}, {}, {}), id="not there yet"
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
def test_a_record_shows_what_became_of_our_writes(
    owned: dict[str, Ownership], intents: dict[str, WriteIntent], tags: list[str], status: WriteStatus
) -> None:
    assert resolve_writes(owned=owned, intents=intents, current=tag_set(tags), now_ms=NOW) == status


LOST = WriteStatus({}, {}, {"vip": vip(OLD)}, {})
RECENT = WriteStatus({}, {"vip": vip(FRESH)}, {}, {})


@pytest.mark.parametrize(
    ("writes", "effect", "history", "reverts"),
    [
        pytest.param(LOST, "add", {}, Reverts(("VIP",), {"vip": (NOW,)}), id="lost, and added again"),
        pytest.param(LOST, "have", {}, Reverts(("VIP",), {}), id="lost, and not wanted any more"),
        pytest.param(RECENT, "add", {}, Reverts(("VIP",), {"vip": (FRESH,)}), id="removed at once"),
        pytest.param(RECENT, "add", {"vip": (FRESH,)}, Reverts((), {"vip": (FRESH,)}), id="counted already"),
        pytest.param(RECENT, "have", {}, Reverts((), {}), id="the record may be older"),
    ],
)
def test_a_tag_of_ours_that_somebody_removed_counts_once_as_reverted(
    writes: WriteStatus, effect: Effect, history: dict[str, tuple[int, ...]], reverts: Reverts
) -> None:
    assert detect_reverts(writes, decided(effect), history, count=True, now_ms=NOW) == reverts


def test_a_revert_is_seen_but_not_counted_when_nothing_is_to_be_counted() -> None:
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


def test_what_was_just_added_stays_owned_although_the_record_does_not_show_it() -> None:
    assert keep_recent(decided("withhold"), RECENT.recent).state.ownership == {"vip": vip(FRESH)}
    assert keep_recent(decided("withhold"), RECENT.without_recent(["VIP"]).recent).state.ownership == {}
