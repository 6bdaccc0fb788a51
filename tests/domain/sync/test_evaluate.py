"""The evaluation of a marked customer, from its record, its stored state and its mark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from service.domain.customers.customer import Customer, CustomerId, MissingField, MissingReason
from service.domain.customers.records import CustomerRecord
from service.domain.decisions.state import CustomerState, Ownership, WriteIntent
from service.domain.documents.parser import parse_rules
from service.domain.engine.compiler import compile_rules
from service.domain.sync.evaluate import (
    BatchContext,
    Deleted,
    MarkContext,
    RetryLater,
    StoredState,
    Unprocessable,
    UpToDate,
    WriteNeeded,
    evaluate_customer,
    evaluate_missing,
)
from service.domain.sync.writes import WRITE_GRACE_MS

NOW = 1_800_000_000_000
RULES = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10}}
"""
BATCH = BatchContext(rules=compile_rules(parse_rules(RULES)), version=3, now_ms=NOW, today=740_000)
VIP = {"vip": Ownership("VIP", "vip", NOW - 5)}


def _record(
    *tags: str,
    spent: int = 20,
    updated_ms: int = NOW,
    missing: str = "",
    reason: MissingReason = MissingReason.ABSENT,
) -> CustomerRecord:
    return CustomerRecord(
        Customer(
            id=CustomerId(7),
            total_spent=None if missing == "total_spent" else spent * 10_000,
            tags=tags,
            updated_ms=updated_ms,
            missing=(MissingField(missing, reason),) if missing else (),
        )
    )


def _stored(owned: Mapping[str, Ownership] | None = None, **intents: WriteIntent) -> StoredState:
    return StoredState(CustomerState(ownership=owned or {}), intents)


def test_an_addition_is_owned_only_after_the_write_and_its_intent_is_stored_before() -> None:
    outcome = evaluate_customer(MarkContext(), _record(), _stored(), BATCH)

    assert isinstance(outcome, WriteNeeded)
    assert outcome.result.decision.change.add == ("VIP",)
    assert outcome.owned == {}
    assert set(outcome.intents) == {"vip"}
    assert set(outcome.result.stored.state.ownership) == {"vip"}


def test_a_removal_has_an_intent_too() -> None:
    outcome = evaluate_customer(MarkContext(), _record("VIP", spent=1), _stored(VIP), BATCH)

    assert isinstance(outcome, WriteNeeded)
    assert outcome.intents[",vip"].is_removal


@pytest.mark.parametrize("age_ms", [1, WRITE_GRACE_MS - 1, WRITE_GRACE_MS + 1])
def test_a_removal_whose_answer_was_lost_is_recovered_and_no_revert(age_ms: int) -> None:
    intent = WriteIntent("VIP", "vip", NOW - age_ms, 3, True)

    outcome = evaluate_customer(MarkContext(), _record(spent=1), _stored(VIP, **{",vip": intent}), BATCH)

    assert isinstance(outcome, UpToDate)
    assert outcome.recovered_writes == (intent,)
    assert outcome.reverted_tags == ()
    assert outcome.stored.state.ownership == {}
    assert outcome.recheck_at_ms == (intent.at_ms + WRITE_GRACE_MS if age_ms < WRITE_GRACE_MS else None)


def test_a_pending_addition_is_rechecked_when_it_can_no_longer_arrive() -> None:
    outcome = evaluate_customer(
        MarkContext(), _record(spent=1), _stored(vip=WriteIntent("VIP", "vip", NOW - 1000, 3)), BATCH
    )

    assert isinstance(outcome, UpToDate)
    assert outcome.recheck_at_ms == NOW - 1000 + WRITE_GRACE_MS


@pytest.mark.parametrize("reason", MissingReason)
def test_a_record_without_its_tags_is_not_decided_on(reason: MissingReason) -> None:
    outcome = evaluate_customer(MarkContext(), _record(missing="tags", reason=reason), _stored(), BATCH)

    assert isinstance(outcome, Unprocessable)
    assert outcome.transient
    assert "tags" in outcome.text


@pytest.mark.parametrize("reason", MissingReason)
@pytest.mark.parametrize("tags", [(), ("VIP",)])
def test_a_rule_whose_field_is_missing_neither_adds_nor_removes(
    tags: tuple[str, ...], reason: MissingReason
) -> None:
    record = _record(*tags, spent=1 if tags else 20, missing="total_spent", reason=reason)

    outcome = evaluate_customer(MarkContext(), record, _stored(VIP if tags else None), BATCH)

    assert isinstance(outcome, UpToDate)
    assert outcome.stored.state.ownership == (VIP if tags else {})
    assert outcome.customer.missing == record.customer.missing


def test_a_key_that_no_rule_reads_may_be_missing() -> None:
    assert isinstance(
        evaluate_customer(MarkContext(), _record(missing="note"), _stored(), BATCH), WriteNeeded
    )


@pytest.mark.parametrize(("stale_reads", "wait_ms"), [(0, 2000), (1, 10_000), (2, 60_000)])
def test_a_stale_record_is_read_again_later_and_an_earlier_404_is_forgotten(
    stale_reads: int, wait_ms: int
) -> None:
    mark = MarkContext(expected_updated_ms=NOW + 5000, stale_reads=stale_reads, missing_since_ms=NOW - 1)

    outcome = evaluate_customer(mark, _record(), _stored(), BATCH)

    fields = {"stale_reads": str(stale_reads + 1), "missing_since_ms": "0"}
    assert outcome == RetryLater(NOW + wait_ms, "lag", fields)


def test_a_record_that_stays_stale_is_decided_on_and_rechecked() -> None:
    outcome = evaluate_customer(
        MarkContext(expected_updated_ms=NOW + 5000, stale_reads=3), _record(), _stored(), BATCH
    )

    assert isinstance(outcome, WriteNeeded)
    assert outcome.result.recheck_at_ms == NOW + 600_000


@pytest.mark.parametrize(("ago_s", "is_deleted"), [(0, False), (599, False), (600, True), (86_400, True)])
def test_a_second_404_ten_minutes_later_means_a_deletion(ago_s: int, is_deleted: bool) -> None:
    mark = MarkContext(missing_since_ms=NOW - ago_s * 1000 if ago_s else 0)

    assert isinstance(evaluate_missing(mark, now_ms=NOW), Deleted) is is_deleted


def test_a_reverted_tag_is_added_again_and_counted_but_not_in_shadow_mode() -> None:
    written = evaluate_customer(MarkContext(), _record(), _stored(VIP), BATCH)
    shadowed = evaluate_customer(MarkContext(), _record(), _stored(VIP), replace(BATCH, shadow=True))

    assert isinstance(written, WriteNeeded)
    assert written.result.reverted_tags == ("VIP",)
    assert written.result.stored.reverts == {"vip": (VIP["vip"].since_ms,)}
    assert isinstance(shadowed, UpToDate)
    assert shadowed.stored.reverts == {}
    assert shadowed.stored.state.ownership == VIP  # added a moment ago: the record may be older


@pytest.mark.parametrize("later_ms", [1, -20_000], ids=["read again", "the clock was set back"])
def test_a_revert_is_counted_once_however_often_it_is_read(later_ms: int) -> None:
    first = evaluate_customer(MarkContext(), _record(), _stored(VIP), BATCH)
    assert isinstance(first, WriteNeeded)
    stored = replace(_stored(VIP), reverts=first.result.stored.reverts)

    second = evaluate_customer(MarkContext(), _record(), stored, replace(BATCH, now_ms=NOW + later_ms))

    assert isinstance(second, WriteNeeded)
    assert second.result.stored.reverts == first.result.stored.reverts


def test_a_tag_that_the_record_does_not_show_stays_owned_for_ten_minutes() -> None:
    early = evaluate_customer(MarkContext(), _record(spent=1), _stored(VIP), BATCH)
    late = evaluate_customer(
        MarkContext(), _record(spent=1), _stored(VIP), replace(BATCH, now_ms=NOW + WRITE_GRACE_MS)
    )

    assert isinstance(early, UpToDate)
    assert early.stored.state.ownership == VIP
    assert early.recheck_at_ms == VIP["vip"].since_ms + WRITE_GRACE_MS
    assert isinstance(late, UpToDate)
    assert late.stored.state.ownership == {}


def test_a_tag_that_is_reverted_three_times_is_suppressed() -> None:
    stored = replace(_stored(VIP), reverts={"vip": (NOW - 20, NOW - 10)})

    outcome = evaluate_customer(MarkContext(), _record(), stored, BATCH)

    assert isinstance(outcome, UpToDate)
    assert outcome.suppressed_tags == ("VIP",)
    assert outcome.stored.state.ownership == {}
