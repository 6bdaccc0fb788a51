"""What becomes of a customer: decided from the record, what we keep, and what the mark says; no store needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from service.domain.customers.customer import Customer, CustomerId
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


def _record(*tags: str, spent: int = 20, updated_ms: int = NOW, lacks: str = "") -> CustomerRecord:
    customer = Customer(id=CustomerId(7), total_spent=spent * 10_000, tags=tags, updated_ms=updated_ms)
    return CustomerRecord(customer, frozenset({lacks} - {""}))


def _kept(owned: Mapping[str, Ownership] | None = None, **intents: WriteIntent) -> StoredState:
    return StoredState(CustomerState(ownership=owned or {}), intents)


def test_an_addition_is_ours_only_once_it_is_written_and_its_intent_is_stored_before() -> None:
    due = evaluate_customer(MarkContext(), _record(), _kept(), BATCH)

    assert isinstance(due, WriteNeeded)
    assert due.result.decision.change.add == ("VIP",)
    assert due.owned == {}
    assert set(due.intents) == {"vip"}
    assert set(due.result.stored.state.ownership) == {"vip"}


def test_a_removal_stores_its_intent_too() -> None:
    due = evaluate_customer(MarkContext(), _record("VIP", spent=1), _kept(VIP), BATCH)

    assert isinstance(due, WriteNeeded)
    assert due.intents[",vip"].is_removal


@pytest.mark.parametrize("age_ms", [1, WRITE_GRACE_MS - 1, WRITE_GRACE_MS + 1])
def test_a_lost_removal_that_the_record_shows_is_ours_and_no_drift(age_ms: int) -> None:
    begun = WriteIntent("VIP", "vip", NOW - age_ms, 3, True)

    settled = evaluate_customer(MarkContext(), _record(spent=1), _kept(VIP, **{",vip": begun}), BATCH)

    assert isinstance(settled, UpToDate)
    assert settled.recovered_writes == (begun,)
    assert settled.reverted_tags == ()
    assert settled.stored.state.ownership == {}
    assert settled.recheck_at_ms == (begun.at_ms + WRITE_GRACE_MS if age_ms < WRITE_GRACE_MS else None)


def test_a_lost_addition_that_is_not_there_is_looked_for_once_more_when_it_can_no_longer_land() -> None:
    settled = evaluate_customer(
        MarkContext(), _record(spent=1), _kept(vip=WriteIntent("VIP", "vip", NOW - 1000, 3)), BATCH
    )

    assert isinstance(settled, UpToDate)
    assert settled.recheck_at_ms == NOW - 1000 + WRITE_GRACE_MS


@pytest.mark.parametrize("lacks", ["total_spent", "tags"])
def test_a_record_that_lacks_what_matters_is_not_decided_on(lacks: str) -> None:
    judged = evaluate_customer(MarkContext(), _record(lacks=lacks), _kept(), BATCH)

    assert isinstance(judged, Unprocessable)
    assert judged.transient
    assert lacks in judged.text


def test_a_key_that_no_rule_reads_may_be_missing() -> None:
    assert isinstance(evaluate_customer(MarkContext(), _record(lacks="note"), _kept(), BATCH), WriteNeeded)


@pytest.mark.parametrize(("lag", "wait_ms"), [(0, 2000), (1, 10_000), (2, 60_000)])
def test_a_lagging_record_is_looked_at_later_and_an_earlier_404_is_forgotten(lag: int, wait_ms: int) -> None:
    asked = MarkContext(expected_updated_ms=NOW + 5000, stale_reads=lag, missing_since_ms=NOW - 1)

    later = evaluate_customer(asked, _record(), _kept(), BATCH)

    fields = {"stale_reads": str(lag + 1), "missing_since_ms": "0"}
    assert later == RetryLater(NOW + wait_ms, "lag", fields)


def test_a_record_that_still_lags_at_last_is_decided_on_and_looked_at_again() -> None:
    due = evaluate_customer(
        MarkContext(expected_updated_ms=NOW + 5000, stale_reads=3), _record(), _kept(), BATCH
    )

    assert isinstance(due, WriteNeeded)
    assert due.result.recheck_at_ms == NOW + 600_000


@pytest.mark.parametrize(("ago_s", "gone"), [(0, False), (599, False), (600, True), (86_400, True)])
def test_a_404_is_believed_when_it_is_seen_again_ten_minutes_later(ago_s: int, gone: bool) -> None:
    asked = MarkContext(missing_since_ms=NOW - ago_s * 1000 if ago_s else 0)

    assert isinstance(evaluate_missing(asked, now_ms=NOW), Deleted) is gone


def test_a_tag_that_was_undone_is_given_again_and_counted_but_never_in_shadow() -> None:
    given = evaluate_customer(MarkContext(), _record(), _kept(VIP), BATCH)
    shown = evaluate_customer(MarkContext(), _record(), _kept(VIP), replace(BATCH, shadow=True))

    assert isinstance(given, WriteNeeded)
    assert given.result.reverted_tags == ("VIP",)
    assert given.result.stored.reverts == {"vip": (VIP["vip"].since_ms,)}
    assert isinstance(shown, UpToDate)
    assert shown.stored.reverts == {}
    assert shown.stored.state.ownership == VIP  # given a moment ago: the record may be older than that


@pytest.mark.parametrize("later_ms", [1, -20_000], ids=["read again", "the clock was set back"])
def test_one_undoing_is_counted_once_however_often_it_is_read(later_ms: int) -> None:
    once = evaluate_customer(MarkContext(), _record(), _kept(VIP), BATCH)
    assert isinstance(once, WriteNeeded)
    stored = replace(_kept(VIP), reverts=once.result.stored.reverts)

    again = evaluate_customer(MarkContext(), _record(), stored, replace(BATCH, now_ms=NOW + later_ms))

    assert isinstance(again, WriteNeeded)
    assert again.result.stored.reverts == once.result.stored.reverts


def test_a_record_without_our_tag_may_be_older_than_our_write_so_it_stays_ours_for_ten_minutes() -> None:
    lagging = evaluate_customer(MarkContext(), _record(spent=1), _kept(VIP), BATCH)
    late = evaluate_customer(
        MarkContext(), _record(spent=1), _kept(VIP), replace(BATCH, now_ms=NOW + WRITE_GRACE_MS)
    )

    assert isinstance(lagging, UpToDate)
    assert lagging.stored.state.ownership == VIP
    assert lagging.recheck_at_ms == VIP["vip"].since_ms + WRITE_GRACE_MS
    assert isinstance(late, UpToDate)
    assert late.stored.state.ownership == {}


def test_the_third_time_the_tag_is_given_up() -> None:
    stored = replace(_kept(VIP), reverts={"vip": (NOW - 20, NOW - 10)})

    settled = evaluate_customer(MarkContext(), _record(), stored, BATCH)

    assert isinstance(settled, UpToDate)
    assert settled.suppressed_tags == ("VIP",)
    assert settled.stored.state.ownership == {}
