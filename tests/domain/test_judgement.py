"""What becomes of a customer: decided from the record, what we keep, and what the mark says; no store needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from service.domain.compilation import compile_rules
from service.domain.customers import Customer, CustomerId
from service.domain.judgement import (
    Asked,
    Background,
    Departed,
    Due,
    Hopeless,
    Later,
    Scene,
    Settled,
    judge,
    judge_absent,
)
from service.domain.ownership import INTENT_MS
from service.domain.parsing import parse_rules
from service.domain.records import Record
from service.domain.standing import Intent, Owned, Standing

NOW = 1_800_000_000_000
RULES = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10}}
"""
SCENE = Scene(compiled=compile_rules(parse_rules(RULES)), version=3, now_ms=NOW, today=740_000)
VIP = {"vip": Owned("VIP", "vip", NOW - 5)}


def _record(*tags: str, spent: int = 20, updated_ms: int = NOW, lacks: str = "") -> Record:
    customer = Customer(id=CustomerId(7), total_spent=spent * 10_000, tags=tags, updated_ms=updated_ms)
    return Record(customer, frozenset({lacks} - {""}))


def _kept(owned: Mapping[str, Owned] | None = None, **intents: Intent) -> Background:
    return Background(Standing(owned=owned or {}), intents)


def test_an_addition_is_ours_only_once_it_is_written_and_its_intent_is_stored_before() -> None:
    due = judge(Asked(), _record(), _kept(), SCENE)

    assert isinstance(due, Due)
    assert due.change.add == ("VIP",)
    assert due.owned == {}
    assert set(due.intents) == {"vip"}
    assert set(due.settled.background.standing.owned) == {"vip"}


def test_a_removal_stores_its_intent_too() -> None:
    due = judge(Asked(), _record("VIP", spent=1), _kept(VIP), SCENE)

    assert isinstance(due, Due)
    assert due.intents[",vip"].taken


@pytest.mark.parametrize("age_ms", [1, INTENT_MS - 1, INTENT_MS + 1])
def test_a_lost_removal_that_the_record_shows_is_ours_and_no_drift(age_ms: int) -> None:
    begun = Intent("VIP", "vip", NOW - age_ms, 3, True)

    settled = judge(Asked(), _record(spent=1), _kept(VIP, **{",vip": begun}), SCENE)

    assert isinstance(settled, Settled)
    assert settled.recovered == (begun,)
    assert settled.drifted == ()
    assert settled.background.standing.owned == {}
    assert settled.again_ms == (begun.at_ms + INTENT_MS if age_ms < INTENT_MS else None)


def test_a_lost_addition_that_is_not_there_is_looked_for_once_more_when_it_can_no_longer_land() -> None:
    settled = judge(Asked(), _record(spent=1), _kept(vip=Intent("VIP", "vip", NOW - 1000, 3)), SCENE)

    assert isinstance(settled, Settled)
    assert settled.again_ms == NOW - 1000 + INTENT_MS


@pytest.mark.parametrize("lacks", ["total_spent", "tags"])
def test_a_record_that_lacks_what_matters_is_not_decided_on(lacks: str) -> None:
    judged = judge(Asked(), _record(lacks=lacks), _kept(), SCENE)

    assert isinstance(judged, Hopeless)
    assert judged.transient
    assert lacks in judged.text


def test_a_key_that_no_rule_reads_may_be_missing() -> None:
    assert isinstance(judge(Asked(), _record(lacks="note"), _kept(), SCENE), Due)


@pytest.mark.parametrize(("lag", "wait_ms"), [(0, 2000), (1, 10_000), (2, 60_000)])
def test_a_lagging_record_is_looked_at_later_and_an_earlier_404_is_forgotten(lag: int, wait_ms: int) -> None:
    asked = Asked(updated_ms=NOW + 5000, lag=lag, gone_ms=NOW - 1)

    later = judge(asked, _record(), _kept(), SCENE)

    assert later == Later(NOW + wait_ms, "lag", {"lag": str(lag + 1), "gone": "0"})


def test_a_record_that_still_lags_at_last_is_decided_on_and_looked_at_again() -> None:
    due = judge(Asked(updated_ms=NOW + 5000, lag=3), _record(), _kept(), SCENE)

    assert isinstance(due, Due)
    assert due.settled.again_ms == NOW + 600_000


@pytest.mark.parametrize(("ago_s", "gone"), [(0, False), (599, False), (600, True), (86_400, True)])
def test_a_404_is_believed_when_it_is_seen_again_ten_minutes_later(ago_s: int, gone: bool) -> None:
    asked = Asked(gone_ms=NOW - ago_s * 1000 if ago_s else 0)

    assert isinstance(judge_absent(asked, now_ms=NOW), Departed) is gone


def test_a_tag_that_was_undone_is_given_again_and_counted_but_never_in_shadow() -> None:
    given = judge(Asked(), _record(), _kept(VIP), SCENE)
    shown = judge(Asked(), _record(), _kept(VIP), replace(SCENE, shadow=True))

    assert isinstance(given, Due)
    assert given.settled.drifted == ("VIP",)
    assert given.settled.background.strikes == {"vip": (VIP["vip"].since_ms,)}
    assert isinstance(shown, Settled)
    assert shown.background.strikes == {}
    assert shown.background.standing.owned == VIP  # given a moment ago: the record may be older than that


@pytest.mark.parametrize("later_ms", [1, -20_000], ids=["read again", "the clock was set back"])
def test_one_undoing_is_counted_once_however_often_it_is_read(later_ms: int) -> None:
    once = judge(Asked(), _record(), _kept(VIP), SCENE)
    assert isinstance(once, Due)
    background = replace(_kept(VIP), strikes=once.settled.background.strikes)

    again = judge(Asked(), _record(), background, replace(SCENE, now_ms=NOW + later_ms))

    assert isinstance(again, Due)
    assert again.settled.background.strikes == once.settled.background.strikes


def test_a_record_without_our_tag_may_be_older_than_our_write_so_it_stays_ours_for_ten_minutes() -> None:
    lagging = judge(Asked(), _record(spent=1), _kept(VIP), SCENE)
    late = judge(Asked(), _record(spent=1), _kept(VIP), replace(SCENE, now_ms=NOW + INTENT_MS))

    assert isinstance(lagging, Settled)
    assert lagging.background.standing.owned == VIP
    assert lagging.again_ms == VIP["vip"].since_ms + INTENT_MS
    assert isinstance(late, Settled)
    assert late.background.standing.owned == {}


def test_the_third_time_the_tag_is_given_up() -> None:
    background = replace(_kept(VIP), strikes={"vip": (NOW - 20, NOW - 10)})

    settled = judge(Asked(), _record(), background, SCENE)

    assert isinstance(settled, Settled)
    assert settled.given_up == ("VIP",)
    assert settled.background.standing.owned == {}
