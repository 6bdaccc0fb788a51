"""Data keys are wrapped with the first key of SECRET_KEY and open with any of them."""

from __future__ import annotations

import pytest

from service.domain.customers.customer import OrgId
from service.errors import InvalidSettings
from service.store.encryption.keyring import KeyRing, fingerprint_of

ORG = OrgId("1000000001")
OLD, NEW = "old-key-" * 5, "new-key-" * 5
DATA_KEY, ID = b"d" * 32, b"id 1"


def test_the_first_key_wraps_and_every_key_unwraps() -> None:
    wrapped = KeyRing([OLD]).wrap(DATA_KEY, org=ORG, key_id=ID)

    both = KeyRing([NEW, OLD])
    rewrapped = both.wrap(DATA_KEY, org=ORG, key_id=ID)

    assert both.unwrap(wrapped, org=ORG, key_id=ID) == DATA_KEY
    assert KeyRing([NEW]).unwrap(rewrapped, org=ORG, key_id=ID) == DATA_KEY
    assert KeyRing([NEW]).unwrap(wrapped, org=ORG, key_id=ID) is None


def test_a_wrapped_key_names_its_wrapping_key_by_a_fingerprint() -> None:
    wrapped = KeyRing([OLD]).wrap(DATA_KEY, org=ORG, key_id=ID)

    assert fingerprint_of(wrapped) == KeyRing([NEW, OLD]).fingerprints[1]
    assert KeyRing([OLD]).fingerprints[0] not in OLD


@pytest.mark.parametrize(
    ("org", "key_id"), [(OrgId("7"), ID), (ORG, b"id 2")], ids=["another shop", "another id"]
)
def test_a_copied_data_key_does_not_open(org: OrgId, key_id: bytes) -> None:
    ring = KeyRing([OLD])
    wrapped = ring.wrap(DATA_KEY, org=ORG, key_id=ID)

    assert ring.unwrap(wrapped, org=org, key_id=key_id) is None


@pytest.mark.parametrize("length", range(0, 64, 7))
def test_a_cut_data_key_does_not_open(length: int) -> None:
    ring = KeyRing([OLD])

    assert ring.unwrap(ring.wrap(DATA_KEY, org=ORG, key_id=ID)[:length], org=ORG, key_id=ID) is None


def test_without_secret_key_nothing_is_wrapped() -> None:
    with pytest.raises(InvalidSettings, match="SECRET_KEY"):
        KeyRing([]).wrap(DATA_KEY, org=ORG, key_id=ID)
