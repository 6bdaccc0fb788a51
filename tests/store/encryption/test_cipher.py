"""A sealed value opens only in its own shop and field."""

from __future__ import annotations

import pytest

from service.domain.customers.customer import OrgId
from service.errors import MalformedData
from service.store.encryption.cipher import ShopCipher

ORG = OrgId("1000000001")
KEYS = {b"id 1": b"a" * 32, b"id 2": b"b" * 32}
CIPHER = ShopCipher(ORG, KEYS)


def test_a_value_opens_again_and_is_sealed_differently_each_time() -> None:
    first, second = (CIPHER.seal(b"a value", field="token") for _ in range(2))

    assert first != second
    assert b"a value" not in first
    assert CIPHER.open(first, field="token") == b"a value" == CIPHER.open(second, field="token")
    assert len(first) == len(b"a value") + 32


@pytest.mark.parametrize(
    ("org", "field"), [(ORG, "secret"), (OrgId("10"), "token")], ids=["another field", "another shop"]
)
def test_a_copied_value_does_not_open(org: OrgId, field: str) -> None:
    sealed = CIPHER.seal(b"a value", field="token")

    with pytest.raises(MalformedData, match="copied from another place"):
        ShopCipher(org, KEYS).open(sealed, field=field)


@pytest.mark.parametrize("length", range(0, 40, 5))
def test_a_cut_value_does_not_open(length: int) -> None:
    with pytest.raises(MalformedData):
        CIPHER.open(CIPHER.seal(b"a value!", field="token")[:length], field="token")


def test_values_of_an_older_data_key_open_and_those_of_a_lost_one_name_the_remedy() -> None:
    older = ShopCipher(ORG, {b"id 2": KEYS[b"id 2"]}).seal(b"a value", field="token")

    assert CIPHER.open(older, field="token") == b"a value"
    with pytest.raises(MalformedData, match="tagger shops token ORG"):
        ShopCipher(ORG, {b"id 1": KEYS[b"id 1"]}).open(older, field="token")


def test_a_cipher_without_a_data_key_neither_seals_nor_opens() -> None:
    empty = ShopCipher(ORG, {})

    assert not empty.can_seal
    with pytest.raises(MalformedData):
        empty.seal(b"a value", field="token")
    with pytest.raises(MalformedData):
        empty.open(b"", field="token")
