"""Explanations over the ops API."""

from __future__ import annotations

import httpx2
import pytest

from tests.support.shop import ORG
from tests.web.ops.conftest import get

CUSTOMER = f"/ops/v1/shops/{ORG}/customers/7"


async def test_a_tag_of_digits_is_accepted_in_a_query(rules_ops: httpx2.AsyncClient) -> None:
    assert (await get(rules_ops, "customers/1?tag=2026"))["tags"] == []


async def test_a_customer_is_explained_with_what_is_missing(explain_ops: httpx2.AsyncClient) -> None:
    told = await get(explain_ops, "customers/7", tag="vip", lang="en")

    (rule,) = told["rules"]
    assert (rule["state"], rule["when"]["distance"]) == ("none", {"way": "lacks", "amount": 340_000})
    assert rule["when"]["text"] == "✘ Total spent is at least ₫10,000,000 (is ₫9,660,000, ₫340,000 short)"
    assert told["tags"] == []


async def test_without_a_tag_all_tags_are_explained_without_contact_data(
    explain_ops: httpx2.AsyncClient,
) -> None:
    told = await get(explain_ops, "customers/7", on="2030-01-01", version="1")

    assert told["day"] == "2030-01-01"
    assert told["tags"] == [{"tag": "Khách sỉ", "owner": "others", "leaves": False}]
    assert told["add"] == ["Ngủ đông"]
    assert "example.com" not in str(told)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2028-02-29"])
async def test_any_day_can_be_explained(explain_ops: httpx2.AsyncClient, day: str) -> None:
    assert (await get(explain_ops, "customers/7", on=day))["day"] == day


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (CUSTOMER.replace("/7", "/8"), 404),
        (f"{CUSTOMER}?version=9", 404),
        (f"{CUSTOMER}?version=0", 400),
        (f"{CUSTOMER}?on=tomorrow", 400),
        (f"{CUSTOMER}?lang=fr", 400),
    ],
    ids=["never looked at", "no such version", "version 0", "no day", "no such language"],
)
async def test_a_wrong_question_is_refused(explain_ops: httpx2.AsyncClient, path: str, status: int) -> None:
    assert (await explain_ops.get(path)).status_code == status
