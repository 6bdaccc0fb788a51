from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.customers.tags import tag_set
from service.domain.decisions.state import (
    HOLDS_CODEC,
    INTENTS_CODEC,
    OWNERSHIP_CODEC,
    Hold,
    Ownership,
    WriteIntent,
)
from service.domain.sync.writes import WRITE_GRACE_MS, resolve_writes
from service.errors import MalformedData

INTENT = WriteIntent("VIP", "vip", 1_000, 3)
WORDS = st.text(st.characters(codec="utf-8"), max_size=6)
COUNTS = st.integers(0, 2**53)


def test_an_addition_that_arrived_is_ours_since_it_was_sent() -> None:
    writes = resolve_writes(owned={}, intents={"vip": INTENT}, current=tag_set(["vip"]), now_ms=2_000)

    assert writes.present == {"vip": Ownership("VIP", "vip", 1_000, 3)}
    assert writes.pending == {"vip": INTENT}  # a second call for it may still be out


@pytest.mark.parametrize(
    ("age_ms", "left"),
    [
        pytest.param(WRITE_GRACE_MS - 1, {"vip": INTENT}, id="may still land"),
        pytest.param(WRITE_GRACE_MS, {}, id="given up"),
    ],
)
def test_an_addition_that_is_not_there_is_waited_for_ten_minutes(
    age_ms: int, left: dict[str, WriteIntent]
) -> None:
    writes = resolve_writes(
        owned={}, intents={"vip": INTENT}, current=tag_set([]), now_ms=INTENT.at_ms + age_ms
    )

    assert writes.owned == {}
    assert writes.pending == left


def test_a_tag_that_another_rule_takes_over_is_as_old_and_as_adopted_as_it_was() -> None:
    adopted = Ownership("VIP", "first", 1_000, 1, adopted=True)

    assert adopted.transferred(rule="second", version=2) == Ownership("VIP", "second", 1_000, 2, adopted=True)
    assert OWNERSHIP_CODEC.decode(OWNERSHIP_CODEC.encode({"vip": adopted})) == {"vip": adopted}


def test_an_older_ownership_is_not_overwritten_by_an_intent() -> None:
    before = {"vip": Ownership("VIP", "first", 1, 1)}

    writes = resolve_writes(owned=before, intents={"vip": INTENT}, current=tag_set(["VIP"]), now_ms=2_000)

    assert writes.present == before


@given(
    st.dictionaries(WORDS, st.builds(Ownership, WORDS, WORDS, COUNTS, COUNTS)),
    st.dictionaries(WORDS, st.builds(Hold, WORDS, COUNTS, st.none() | COUNTS)),
    st.dictionaries(WORDS, st.builds(WriteIntent, WORDS, WORDS, COUNTS, COUNTS)),
)
def test_what_is_kept_reads_back_as_it_was(
    owned: dict[str, Ownership], held: dict[str, Hold], intents: dict[str, WriteIntent]
) -> None:
    assert OWNERSHIP_CODEC.decode(OWNERSHIP_CODEC.encode(owned)) == owned
    assert HOLDS_CODEC.decode(HOLDS_CODEC.encode(held)) == held
    assert INTENTS_CODEC.decode(INTENTS_CODEC.encode(intents)) == intents


def test_nothing_kept_takes_no_bytes() -> None:
    assert OWNERSHIP_CODEC.encode({}) == b""
    assert HOLDS_CODEC.decode(b"") == {}


def test_damaged_bytes_are_refused() -> None:
    with pytest.raises(MalformedData):
        OWNERSHIP_CODEC.decode(b"\xc1nonsense")
