"""What a forged webhook costs, counted as signatures reckoned: no clock is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from service.settings import Settings
from service.store.shops import Shops
from service.web.connections import Connection
from service.web.express import Express
from tests.web.conftest import OWN_SECRET, signature
from tests.web.test_express import BODY, serving, talk, webhook

SECRETS = 3  # of the shop: two of the app's, and its own, which is tried last


@contextmanager
def reckoned() -> Iterator[list[int]]:
    """The lengths of the bodies for which this thread reckons a signature meanwhile."""
    lengths: list[int] = []

    def saw(frame: FrameType, event: str, what: Any) -> None:
        if event == "c_call" and what.__name__ == "hmac_digest":
            lengths.append(len(frame.f_locals["msg"]))

    sys.setprofile(saw)
    try:
        yield lengths
    finally:
        sys.setprofile(None)


async def cost(settings: Settings, kind: type[Connection], signed: str) -> tuple[bytes, int]:
    """The status of a webhook with that signature, and how many signatures it made us reckon."""
    async with serving(settings, kind) as server:
        await talk(server, webhook(b'{"id": 1}'))  # whoever comes first makes the shops be read
        with reckoned() as lengths:
            (answer,) = await talk(server, webhook(signed=signed))
    assert set(lengths) <= {len(BODY)}
    return answer.split()[1], len(lengths)


@pytest.mark.parametrize("kind", [Connection, Express])
async def test_a_right_signature_costs_a_reckoning_for_each_secret_up_to_its_own(
    shops: Shops, settings: Settings, kind: type[Connection]
) -> None:
    assert await cost(settings, kind, signature(BODY, OWN_SECRET)) == (b"200", SECRETS)


@pytest.mark.parametrize("kind", [Connection, Express])
@pytest.mark.parametrize(
    "signed",
    [
        pytest.param("", id="none"),
        pytest.param("QQ==", id="short"),
        pytest.param(signature(BODY)[:-1], id="one character less"),
        pytest.param(signature(BODY) + "=", id="one character more"),
        pytest.param("0" * 64, id="hexadecimal"),
        pytest.param("A" * 30_000, id="endless"),
    ],
)
async def test_a_signature_of_a_wrong_length_costs_no_reckoning(
    shops: Shops, settings: Settings, kind: type[Connection], signed: str
) -> None:
    assert await cost(settings, kind, signed) == (b"401", 0)


@pytest.mark.parametrize("kind", [Connection, Express])
@pytest.mark.parametrize(
    "signed",
    [
        pytest.param(signature(BODY).replace("=", "!"), id="a wrong end"),
        pytest.param("-_" * 21 + "A=", id="the other base64"),
        pytest.param("\xff" * 43 + "=", id="no letters at all"),
    ],
)
async def test_a_signature_of_a_wrong_alphabet_costs_no_more_than_a_right_one(
    shops: Shops, settings: Settings, kind: type[Connection], signed: str
) -> None:
    status, times = await cost(settings, kind, signed)

    assert status == b"401"
    assert times <= SECRETS


@pytest.mark.parametrize(("kind", "ways"), [(Connection, 1), (Express, 2)])
async def test_a_wrong_signature_costs_a_reckoning_for_each_secret_on_each_way_it_takes(
    shops: Shops, settings: Settings, kind: type[Connection], ways: int
) -> None:
    assert await cost(settings, kind, "A" * 43 + "=") == (b"401", SECRETS * ways)
