"""Claims, exclusions and explanations over the ops API."""

from __future__ import annotations

import httpx2
import pytest
from arq.connections import ArqRedis

from service.domain.customers.customer import Customer, OrgId, encode_snapshot
from service.domain.documents.parser import parse_rules
from service.store.client import keys
from service.store.rules import Versions
from tests.support.shop import ORG
from tests.web.ops.conftest import API, audit_entries, execute_jobs, get, post


async def test_copies_are_counted_then_adopted(redis: ArqRedis, rules_ops: httpx2.AsyncClient) -> None:
    counted = await post(rules_ops, "rules/adopt", tag="VIP", dry_run=True)
    assert counted == {
        "tag": "VIP",
        "action": "adopt",
        "customers": 1,
        "samples": [3],
        "needs_approval": False,
        "run": None,
    }
    assert not await redis.hexists(keys.shop(ORG, "owned"), "3")

    done = await post(rules_ops, "rules/adopt", tag="VIP")
    again = await post(rules_ops, "rules/adopt", tag="vip")
    await execute_jobs(redis)

    run = await get(rules_ops, f"runs/{done['run']['id']}")
    assert again["run"]["id"] == done["run"]["id"]
    assert (run["kind"], run["explains_removals"], run["total"], run["pending"]) == ("adopt", True, 1, False)
    assert await redis.hexists(keys.shop(ORG, "owned"), "3")
    assert (await audit_entries(redis))[0] == ("an", "adopt")


async def test_only_a_tag_that_no_live_rule_gives_is_retracted(
    redis: ArqRedis, rules_ops: httpx2.AsyncClient
) -> None:
    refused = await post(rules_ops, "rules/retract", tag="VIP", status=409)
    assert "would give 'VIP' again" in refused["detail"]
    await post(rules_ops, "rules/publish", rules="version: 1\nrules: []\n", approve=True)

    counted = await post(rules_ops, "rules/retract", tag="VIP", dry_run=True)
    unapproved = await post(rules_ops, "rules/retract", tag="VIP", status=409)
    done = await post(rules_ops, "rules/retract", tag="VIP", approve=True)

    assert (counted["needs_approval"], "it removes 1 tags" in unapproved["detail"]) == (True, True)
    assert (done["run"]["kind"], done["run"]["pending"]) == ("retract", True)
    assert (counted["customers"], counted["run"]) == (1, None)
    assert (done["samples"], done["run"]["reason"]) == ([1], "retract VIP")
    assert (await audit_entries(redis))[0] == ("an", "retract")


async def test_an_exclusion_is_previewed_applied_and_undone(
    redis: ArqRedis, rules_ops: httpx2.AsyncClient
) -> None:
    looked = await post(rules_ops, "customers/2/exclusions", rule="vip", dry_run=True)
    assert not await redis.exists(keys.shop(ORG, "exclusions"))

    done = await post(rules_ops, "customers/2/exclusions", rule="vip")
    again = await post(rules_ops, "customers/2/exclusions", rule="vip")
    undone = await post(rules_ops, "customers/2/exclusions", rule="vip", undo=True)

    assert looked == done == {"customer": 2, "rule": "vip", "undo": False, "changed": True, "add": [], "remove": []}  # fmt: skip
    assert (again["changed"], undone["changed"]) == (False, True)
    assert [what for _, what in await audit_entries(redis)] == ["include", "exclude", "publish"]
    await post(rules_ops, "customers/2/exclusions", rule="nope", status=404)


async def test_a_tag_of_digits_is_accepted_in_a_query(rules_ops: httpx2.AsyncClient) -> None:
    assert (await get(rules_ops, "customers/1?tag=2026"))["tags"] == []


CUSTOMER = f"/ops/v1/shops/{ORG}/customers/7"
RULES = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
  - {id: asleep, tag: Ngủ đông, when: {field: last_order_date, op: more_than_ago, value: 90 days}}
  - {id: birthday, tag: Sinh nhật, when: {field: birthday, op: next_month}}
"""


@pytest.fixture
async def explain_ops(ops: httpx2.AsyncClient, redis: ArqRedis) -> httpx2.AsyncClient:
    """An operator's client of a shop with three rules and an evaluated customer."""
    await Versions(redis).publish(OrgId(ORG), parse_rules(RULES), author="Lan", parent=0)
    customer = Customer(
        id=7,
        total_spent=9_660_000_0000,
        tags=("Khách sỉ",),
        last_order_ms=1_780_000_000_000,
        birthday_ms=636_231_600_000,
        email="an@example.com",
    )
    await redis.hset(keys.shop(ORG, "snapshots"), mapping={"7": encode_snapshot(customer)})
    return ops


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


async def test_personal_data_is_exported_where_it_is_asked_for_and_erased(
    explain_ops: httpx2.AsyncClient, redis: ArqRedis
) -> None:
    exported = await get(explain_ops, "customers/7/personal-data")
    erased = await explain_ops.delete(f"{API}/customers/7/personal-data")
    after = await get(explain_ops, "customers/7/personal-data")

    assert (exported["record"]["email"], exported["record"]["total_spent"]) == ("an@example.com", 9_660_000)
    assert (erased.status_code, erased.json()["known"]) == (200, True)
    assert after["record"] is None
    assert not await redis.hexists(keys.shop(ORG, "snapshots"), "7")
    await get(explain_ops, "customers/7", status=404)


@pytest.mark.parametrize("method", ["get", "delete"])
async def test_personal_data_needs_a_token_and_a_shop(explain_ops: httpx2.AsyncClient, method: str) -> None:
    call = getattr(explain_ops, method)

    unknown = await call("/ops/v1/shops/42/customers/7/personal-data")
    anonymous = await call(f"{API}/customers/7/personal-data", headers={"Authorization": ""})

    assert (unknown.status_code, anonymous.status_code) == (404, 401)


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
