"""What commands print."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from rich.console import Console

from deploy.cli import output
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
def test_an_amount_is_printed_in_the_vietnamese_format(
    value: object, currency: str, text: str, vietnamese: None
) -> None:
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


ROWS = [
    (1018446321, "Nguyễn Thị Thu Hà", "Khách sỉ, Sinh nhật tháng này, Hạng Vàng, Ngủ đông, VIP"),
    (2, "An", "customers-update-8f14e45fceea167a5a36dedd4bea2543"),
]


def printed(width: int, *, is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    out = io.StringIO()
    target = Console(file=out, width=width, force_terminal=is_terminal, color_system=None)
    monkeypatch.setattr(output, "console", lambda: target)
    output.print_table((">id", "name", "tags"), ROWS, empty="")
    return out.getvalue().splitlines()


def test_a_row_is_one_line_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(40, is_terminal=False, monkeypatch=monkeypatch)

    assert len(lines) == 2 + len(ROWS)
    assert lines[2].rstrip().endswith(ROWS[0][2])


@pytest.mark.parametrize("width", [10, 40, 80, 200])
def test_a_word_is_never_broken_on_a_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(width, is_terminal=True, monkeypatch=monkeypatch)

    words = {word for line in lines for word in line.split()}
    assert {"1018446321", "customers-update-8f14e45fceea167a5a36dedd4bea2543", "Nguyễn"} <= words
    if width > 80:
        assert len(lines) == 2 + len(ROWS)
