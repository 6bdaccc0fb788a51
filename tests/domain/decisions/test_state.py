"""The stored state of a customer and its bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.decisions.state import (
    HOLDS_CODEC,
    INTENTS_CODEC,
    OWNERSHIP_CODEC,
    RESTORES_CODEC,
    Hold,
    Ownership,
    UndoRecord,
    WriteIntent,
)
from service.errors import MalformedData

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
COUNTS = st.integers(0, 2**53)
OWNERSHIPS = st.builds(Ownership, TEXTS, TEXTS, COUNTS, COUNTS, st.booleans())
HOLDS = st.dictionaries(TEXTS, st.builds(Hold, TEXTS, COUNTS, st.none() | COUNTS, COUNTS), max_size=3)
UNDO_RECORDS = st.builds(UndoRecord, TEXTS, st.none() | OWNERSHIPS, HOLDS, COUNTS)
INTENTS = st.builds(
    WriteIntent, TEXTS, TEXTS, COUNTS, COUNTS, st.booleans(), TEXTS, undo=st.none() | UNDO_RECORDS
)


def test_a_transferred_ownership_stays_as_old_and_as_adopted_as_it_was() -> None:
    adopted = Ownership("VIP", "first", 1_000, 1, adopted=True)

    assert adopted.transferred(rule="second", version=2) == Ownership("VIP", "second", 1_000, 2, adopted=True)


@given(
    st.dictionaries(TEXTS, OWNERSHIPS, max_size=3),
    HOLDS,
    st.dictionaries(TEXTS, INTENTS, max_size=3),
    st.dictionaries(TEXTS, UNDO_RECORDS, max_size=3),
)
def test_stored_values_decode_as_they_were(
    ownership: dict[str, Ownership],
    holds: dict[str, Hold],
    intents: dict[str, WriteIntent],
    restores: dict[str, UndoRecord],
) -> None:
    assert OWNERSHIP_CODEC.decode(OWNERSHIP_CODEC.encode(ownership)) == ownership
    assert HOLDS_CODEC.decode(HOLDS_CODEC.encode(holds)) == holds
    assert INTENTS_CODEC.decode(INTENTS_CODEC.encode(intents)) == intents
    assert RESTORES_CODEC.decode(RESTORES_CODEC.encode(restores)) == restores


def test_an_empty_mapping_takes_no_bytes() -> None:
    assert OWNERSHIP_CODEC.encode({}) == b""
    assert HOLDS_CODEC.decode(b"") == {}
    assert INTENTS_CODEC.decode(None) == {}


def test_damaged_bytes_are_refused() -> None:
    with pytest.raises(MalformedData):
        OWNERSHIP_CODEC.decode(b"\xc1nonsense")
