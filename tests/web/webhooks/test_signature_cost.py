"""The cost of a forged webhook, counted in signature computations."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from service.settings import Settings
from service.store.shops.repository import ShopRepository
from tests.support.http_client import BODY, talk, webhook
from tests.support.sender import signature
from tests.support.shop import OWN_SECRET
from tests.support.web_server import serving

SECRETS = 3  # of the shop: two of the app's, and its own, which is tried last


@contextmanager
def computed() -> Iterator[list[int]]:
    """The lengths of the bodies for which this thread computes a signature meanwhile."""
    lengths: list[int] = []

    def saw(frame: FrameType, event: str, what: Any) -> None:
        if event == "c_call" and what.__name__ == "update" and "msg" in frame.f_locals:
            lengths.append(len(frame.f_locals["msg"]))

    sys.setprofile(saw)
    try:
        yield lengths
    finally:
        sys.setprofile(None)


async def cost(settings: Settings, signed: str) -> tuple[int, int]:
    """The status of a webhook with that signature, and how many signatures it made us compute."""
    async with serving(settings) as server:
        await talk(server.port, webhook(b'{"id": 1}'))  # the first one makes the shops be loaded
        with computed() as lengths:
            [answer] = await talk(server.port, webhook(signed=signed))
    assert set(lengths) <= {len(BODY)}
    return answer.status, len(lengths)


async def test_a_valid_signature_costs_one_computation_for_each_secret_up_to_its_own(
    shops: ShopRepository, settings: Settings
) -> None:
    assert await cost(settings, signature(BODY, OWN_SECRET)) == (200, SECRETS)


@pytest.mark.parametrize(
    "signed",
    [
        pytest.param("", id="none"),
        pytest.param("QQ==", id="short"),
        pytest.param(signature(BODY)[:-1], id="one character less"),
        pytest.param(signature(BODY) + "=", id="one character more"),
        pytest.param("0" * 64, id="hexadecimal"),
        pytest.param("A" * 30_000, id="endless"),
        pytest.param(signature(BODY).replace("=", "!"), id="a wrong end"),
        pytest.param("-_" * 21 + "A=", id="the other base64"),
        pytest.param("\xff" * 43 + "=", id="no letters at all"),
    ],
)
async def test_a_malformed_signature_costs_no_computation(
    shops: ShopRepository, settings: Settings, signed: str
) -> None:
    assert await cost(settings, signed) == (401, 0)


async def test_a_wrong_signature_costs_at_most_two_computations_for_each_secret(
    shops: ShopRepository, settings: Settings
) -> None:
    status, computations = await cost(settings, "A" * 43 + "=")

    assert status == 401
    assert computations <= 2 * SECRETS
