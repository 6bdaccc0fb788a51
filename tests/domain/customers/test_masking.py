"""Masked texts show enough to recognize somebody, and never the whole."""

from __future__ import annotations

import pytest

from service.domain.customers.masking import mask_email, mask_name, mask_phone


@pytest.mark.parametrize(
    ("masked", "expected"),
    [
        (mask_name("Lê Văn Dũng"), "L••• V••• D•••"),
        (mask_name(""), ""),
        (mask_email("dung.le@example.com"), "d•••@example.com"),
        (mask_email("@example.com"), "•••@example.com"),
        (mask_email("no address"), "•••"),
        (mask_email(""), ""),
        (mask_phone("0912345678"), "•••678"),
        (mask_phone("12345"), "•••"),
        (mask_phone(""), ""),
    ],
)
def test_a_text_is_masked(masked: str, expected: str) -> None:
    assert masked == expected
