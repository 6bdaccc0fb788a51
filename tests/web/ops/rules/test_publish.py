"""Rules over the ops API: previewed, published, rolled back, and refused with what is wrong."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from service.domain.customers.customer import Customer
from service.store.client import RedisClient, keys
from tests.support.shop import ORG
from tests.support.store import all_keys
from tests.web.ops.conftest import API, HIGH, LOW, audit_entries, execute_jobs, get, post, store_customer


async def test_a_preview_shows_what_a_publish_would_do_and_writes_nothing(
    redis: RedisClient, rules_ops: httpx2.AsyncClient
) -> None:
    before = len(await all_keys(redis))

    shown = await post(rules_ops, "rules/preview", rules=LOW, lang="en")

    assert (shown["customers"], shown["touched"], shown["added"], shown["parent"]) == (3, 1, 1, 1)
    assert shown["tags"][0]["samples"]["added"] == [2]
    assert shown["guard"]["why"] == ["share"]
    assert shown["changes"] == ["~ Khách VIP (changed)"]
    assert shown["warnings"]
    assert len(await all_keys(redis)) == before
    assert await audit_entries(redis) == [("an", "publish")]


async def test_rules_are_taken_as_yaml_as_json_text_and_as_an_object(rules_ops: httpx2.AsyncClient) -> None:
    as_object = {
        "version": 1,
        "rules": [
            {"id": "vip", "name": "Khách VIP", "tag": "VIP", "when": {"field": "total_spent", "op": "at_least", "value": 9_000_000}}
        ],
    }  # fmt: skip

    shown = [
        await post(rules_ops, "rules/preview", rules=each) for each in (LOW, json.dumps(as_object), as_object)
    ]

    assert shown[0] == shown[1] == shown[2]


async def test_a_publish_that_exceeds_the_guard_needs_an_approval(
    redis: RedisClient, rules_ops: httpx2.AsyncClient
) -> None:
    refused = await post(rules_ops, "rules/publish", rules=LOW, status=409)
    assert refused["approval"] == {
        "why": ["share"],
        "customers": 3,
        "touched": 1,
        "max_customers": 0,
        "removed": 0,
        "max_removed": 2000,
    }
    assert await redis.get(keys.shop(ORG, "live_version")) == b"1"

    done = await post(rules_ops, "rules/publish", rules=LOW, note="Tết", approve=True, if_match='"v1"')
    assert (done["run"]["kind"], done["run"]["total"], done["run"]["pending"]) == ("publish", 0, True)
    await execute_jobs(redis)

    assert (done["version"]["number"], done["version"]["author"], done["version"]["note"]) == (2, "an", "Tết")
    assert await get(rules_ops, f"runs/{done['run']['id']}") == done["run"] | {
        "total": 1,
        "remaining": 1,
        "pending": False,
    }
    assert await redis.exists(keys.shop(ORG, "mark:2"))
    [newest, *_] = (await get(rules_ops, "audit"))["entries"]
    assert (newest["by"], newest["action"]) == ("an", "publish")
    assert newest["summary"] == "version 2: touches 1 of 3 customers, adds 1 tags, removes 0, approved"


async def test_a_repeated_publish_or_roll_back_returns_the_first_version(
    rules_ops: httpx2.AsyncClient,
) -> None:
    asked_for: dict[str, Any] = {"rules": LOW, "note": "Tết", "approve": True, "if_match": '"v1"'}
    done = await post(rules_ops, "rules/publish", **asked_for)
    again = await post(rules_ops, "rules/publish", **asked_for)
    undone = await post(rules_ops, "rules/rollback", to=1)
    once_more = await post(rules_ops, "rules/rollback", to=1)

    assert again == done
    assert once_more["published"]["version"] == undone["published"]["version"]
    assert [one["number"] for one in (await get(rules_ops, "rules/history"))["versions"]] == [3, 2, 1]


async def test_the_same_rules_with_another_note_are_no_other_version(rules_ops: httpx2.AsyncClient) -> None:
    noted = await post(rules_ops, "rules/publish", rules=HIGH, note="kiểm tra lại")

    assert noted["version"]["number"] == 1


async def test_version_0_is_the_shop_before_its_first_rules(rules_ops: httpx2.AsyncClient) -> None:
    done = await post(rules_ops, "rules/rollback", to=0)
    unknown = await post(rules_ops, "rules/rollback", to=9, status=404)

    assert (done["published"]["version"]["number"], (await get(rules_ops, "rules"))["rules"]["rules"]) == (
        2,
        [],
    )
    assert "no version 9" in unknown["detail"]


async def test_money_in_an_object_is_as_exact_as_in_a_text(
    redis: RedisClient, rules_ops: httpx2.AsyncClient
) -> None:
    await redis.hset(keys.shop(ORG, "shop"), "currency", "USD")
    when = '{"field": "total_spent", "op": "at_least", "value": 90071992547409.93}'
    rules = f'{{"version": 1, "currency": "USD", "rules": [{{"id": "vip", "tag": "VIP", "when": {when}}}]}}'
    body = f'{{"rules": {rules}, "approve": true}}'

    headers = {"Content-Type": "application/json", "If-Match": "*"}
    done = await rules_ops.post(f"{API}/rules/publish", content=body, headers=headers)

    shown = await rules_ops.get(f"{API}/rules")
    assert done.status_code == 200, done.text
    assert '"value":90071992547409.93' in shown.text
    assert "value: 90071992547409.93" in shown.json()["yaml"]


@pytest.mark.parametrize("path", ["rules/preview", "rules/publish"])
async def test_rules_in_another_currency_than_the_shop_are_refused(
    rules_ops: httpx2.AsyncClient, path: str
) -> None:
    refused = await post(rules_ops, path, rules=f"currency: USD\n{LOW}", status=409)

    assert "the rules are in USD, the shop's amounts in VND: write `currency: VND`" in refused["detail"]


async def test_a_publish_based_on_an_older_version_is_refused(rules_ops: httpx2.AsyncClient) -> None:
    await post(rules_ops, "rules/publish", rules=LOW, approve=True)

    refused = await post(rules_ops, "rules/publish", rules=HIGH, if_match='"v1"', status=412)

    assert 'version 2 is live, you began from "v1"' in refused["detail"]
    assert (refused["live"], refused["expected"]) == ('"v2"', ['"v1"'])


async def test_wrong_rules_are_refused_with_every_error_and_its_place(rules_ops: httpx2.AsyncClient) -> None:
    wrong = (
        "version: 1\nrules:\n  - {id: vip, tag: VIP, when: {field: total_spend, op: at_least, value: 1}}\n"
    )

    told = await post(rules_ops, "rules/preview", rules=wrong, status=400)

    [problem] = told["problems"]
    assert (problem["line"], problem["path"], problem["kind"], problem["part"]) == (
        3,
        "rules.0.when",
        "unknown_field",
        "field",
    )
    assert "did you mean 'total_spent'" in problem["message"]


async def test_a_roll_back_is_previewed_and_the_latest_version_needs_no_approval(
    redis: RedisClient, rules_ops: httpx2.AsyncClient
) -> None:
    await post(rules_ops, "rules/publish", rules=LOW, approve=True)
    await store_customer(redis, Customer(id=2, total_spent=9_660_000_0000, tags=("VIP",)), version=2)

    looked = await post(rules_ops, "rules/rollback", to=1, dry_run=True)
    done = await post(rules_ops, "rules/rollback", to=1)

    assert (looked["preview"]["removed"], looked["published"]) == (1, None)
    assert not looked["preview"]["guard"]["needs_approval"]
    assert (done["preview"], done["published"]["version"]["number"]) == (None, 3)
    assert done["published"]["version"]["note"] == "back to version 1"
    history = (await get(rules_ops, "rules/history"))["versions"]
    assert [one["number"] for one in history] == [3, 2, 1]
    assert history[0]["content"] == history[2]["content"] != history[1]["content"]
    assert (await audit_entries(redis))[0] == ("an", "rollback")
    assert "approved" not in (await get(rules_ops, "audit"))["entries"][0]["summary"]


async def test_there_is_nothing_to_roll_forward_to(rules_ops: httpx2.AsyncClient) -> None:
    await post(rules_ops, "rules/rollback", to=1, status=409)
    await post(rules_ops, "rules/rollback", to=7, status=404)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("rules/preview", {}, 400, id="no rules"),
        pytest.param("rules/preview", {"rules": 7}, 400, id="a number for rules"),
        pytest.param("rules/preview", {"rules": ""}, 400, id="empty rules"),
        pytest.param("rules/preview", {"rules": {"rulez": []}}, 400, id="unknown key"),
        pytest.param("rules/preview", {"rules": "{" * 5000}, 400, id="nested text"),
        pytest.param("rules/preview", {"rules": "x" * 300_000}, 400, id="too long"),
        pytest.param("rules/preview", {"rules": HIGH, "lang": "fr"}, 400, id="no such language"),
        pytest.param("rules/publish", {"rules": HIGH, "note": "x" * 201}, 400, id="long note"),
        pytest.param("rules/publish", {"rules": HIGH, "approve": "yes"}, 400, id="approve is no text"),
        pytest.param("rules/rollback", {"to": -1}, 400, id="version -1"),
        pytest.param("rules/adopt", {"tag": ""}, 400, id="no tag"),
        pytest.param("rules/adopt", {"tag": "Nhãn lạ"}, 409, id="a tag of no rule"),
        pytest.param("customers/2/exclusions", {}, 400, id="no rule"),
    ],
)
async def test_a_wrong_request_is_answered_with_a_problem(
    rules_ops: httpx2.AsyncClient, path: str, body: dict[str, Any], status: int
) -> None:
    answer = await rules_ops.post(f"{API}/{path}", json=body, headers={"If-Match": "*"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert len(answer.json()["detail"]) > 5
