"""What commands print."""

from __future__ import annotations

from decimal import Decimal

import pytest

from deploy.cli.output import format_amount, mask_record


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        (Decimal("5559000.0000"), "VND", "5.559.000 ₫"),
        (Decimal("9999999.9999"), "VND", "9.999.999 ₫"),
        ("41.94", "USD", "41,94 US$"),
        (0, "VND", "0 ₫"),
        (None, "VND", ""),
        ("n/a", "VND", "n/a"),
    ],
    ids=["Omni", "rounded down", "admin", "nothing spent", "null", "not a number"],
)
def test_an_amount_is_printed_in_the_vietnamese_format(value: object, currency: str, text: str) -> None:
    assert format_amount(value, currency) == text


def test_contact_data_is_masked_at_every_depth_and_names_are_not() -> None:
    record = {
        "first_name": "Ánh",
        "email": "anh@example.com",
        "phone": "0901",
        "addresses": [{"address1": "12 Lê Lợi, Quận 1", "city": None}],
    }

    assert mask_record(record) == {
        "first_name": "Ánh",
        "email": "a•••@example.com",
        "phone": "•••",
        "addresses": [{"address1": "•••n 1", "city": None}],
    }
