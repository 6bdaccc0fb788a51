"""Rules over the ops API: looked at, previewed, published, undone, and refused with what is wrong."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from arq.connections import ArqRedis

from service.context import Context
from service.cpu_pool import InProcess
from service.domain.customers.customer import Customer, encode_snapshot
from service.domain.decisions.state import OWNERSHIP_CODEC, Ownership
from service.store.client import keys
from service.store.history import audit_log
from service.store.rules import Versions
from service.store.shops.cipher import Cipher
from service.store.shops.repository import ShopRepository
from tests.support.shop import KEY, OPS_TOKEN, ORG
from workers.periodic.pending_jobs import PendingJobs

API = f"/ops/v1/shops/{ORG}"
VIP = "version: 1\nrules:\n  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: %d}}\n"
HIGH, LOW = VIP % 10_000_000, VIP % 9_000_000


@pytest.fixture
async def ops(client: httpx2.AsyncClient, redis: ArqRedis) -> httpx2.AsyncClient:
    """An operator's client, three customers that were looked at, and one version of the rules."""
    client.headers["Authorization"] = f"Bearer {OPS_TOKEN}"
    await asked(client, "rules/publish", rules=HIGH, note="đầu tiên")
    await known(redis, Customer(id=1, total_spent=20_000_000_0000, tags=("VIP",)), version=1)
    await known(redis, Customer(id=2, total_spent=9_660_000_0000))
    await known(redis, Customer(id=3, total_spent=5_0000, tags=("vip", "Khách sỉ")))
    return client


async def known(redis: ArqRedis, customer: Customer, *, version: int = 0) -> None:
    """A customer as its drain has left it; with `version` its VIP is ours since then."""
    client: Any = redis
    await client.hset(keys.shop(ORG, "snapshots"), str(customer.id), encode_snapshot(customer))
    if version:
        owned = OWNERSHIP_CODEC.encode({"vip": Ownership("VIP", "vip", 1_700_000_000_000, version)})
        await client.hset(keys.shop(ORG, "owned"), str(customer.id), owned)


async def asked(ops: httpx2.AsyncClient, path: str, *, status: int = 200, **body: Any) -> Any:
    answer = await ops.post(f"{API}/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def got(ops: httpx2.AsyncClient, path: str, *, status: int = 200) -> Any:
    answer = await ops.get(f"{API}/{path}")
    assert answer.status_code == status, answer.text
    return answer.json()


async def executed(redis: ArqRedis) -> None:
    """A worker does its part."""
    context = Context(redis, ShopRepository(redis, Cipher([KEY])), Versions(redis))
    await PendingJobs(context, InProcess(context)).run()


async def deeds(redis: ArqRedis) -> list[tuple[str, str]]:
    return [(one.by, one.action) for one in await audit_log.recent(redis, ORG)]


async def test_a_preview_shows_what_a_publish_would_do_and_writes_nothing(
    redis: ArqRedis, ops: httpx2.AsyncClient
) -> None:
    before = await redis.dbsize()

    shown = await asked(ops, "rules/preview", rules=LOW, lang="en")

    assert (shown["customers"], shown["touched"], shown["added"], shown["parent"]) == (3, 1, 1, 1)
    assert shown["tags"][0]["samples"]["added"] == [2]
    assert shown["guard"]["why"] == ["share"]
    assert shown["changes"] == ["~ Khách VIP (changed)"]
    assert shown["warnings"]
    assert await redis.dbsize() == before
    assert await deeds(redis) == [("an", "publish")]


async def test_rules_are_taken_as_yaml_as_json_text_and_as_an_object(ops: httpx2.AsyncClient) -> None:
    as_object = {
        "version": 1,
        "rules": [
            {"id": "vip", "name": "Khách VIP", "tag": "VIP", "when": {"field": "total_spent", "op": "at_least", "value": 9_000_000}}
        ],
    }  # fmt: skip

    shown = [
        await asked(ops, "rules/preview", rules=each) for each in (LOW, json.dumps(as_object), as_object)
    ]

    assert shown[0] == shown[1] == shown[2]


async def test_a_publish_beyond_the_guard_waits_for_an_approval(
    redis: ArqRedis, ops: httpx2.AsyncClient
) -> None:
    refused = await asked(ops, "rules/publish", rules=LOW, status=409)
    assert refused["approval"] == {
        "why": ["share"],
        "customers": 3,
        "touched": 1,
        "max_customers": 0,
        "removed": 0,
        "max_removed": 2000,
    }
    assert await redis.get(keys.shop(ORG, "live_version")) == b"1"

    done = await asked(ops, "rules/publish", rules=LOW, note="Tết", approve=True, parent=1)
    assert (done["run"]["kind"], done["run"]["total"], done["run"]["pending"]) == ("publish", 0, True)
    await executed(redis)

    assert (done["version"]["number"], done["version"]["author"], done["version"]["note"]) == (2, "an", "Tết")
    assert await got(ops, f"runs/{done['run']['id']}") == done["run"] | {
        "total": 1,
        "remaining": 1,
        "pending": False,
    }
    assert await redis.exists(keys.shop(ORG, "mark:2"))
    [newest, *_] = (await got(ops, "audit"))["entries"]
    assert (newest["by"], newest["action"], newest["details"]["approved"]) == ("an", "publish", True)


async def test_the_same_publish_and_the_same_roll_back_asked_once_more_are_not_made_twice(
    ops: httpx2.AsyncClient,
) -> None:
    asked_for: dict[str, Any] = {"rules": LOW, "note": "Tết", "approve": True, "parent": 1}
    done = await asked(ops, "rules/publish", **asked_for)
    again = await asked(ops, "rules/publish", **asked_for)
    undone = await asked(ops, "rules/rollback", to=1)
    once_more = await asked(ops, "rules/rollback", to=1)

    assert again == done
    assert once_more["published"]["version"] == undone["published"]["version"]
    assert [one["number"] for one in (await got(ops, "rules/history"))["versions"]] == [3, 2, 1]


async def test_the_same_rules_with_another_note_are_another_version(ops: httpx2.AsyncClient) -> None:
    noted = await asked(ops, "rules/publish", rules=HIGH, note="kiểm tra lại")
    after = await asked(ops, "rules/publish", rules=HIGH, note="kiểm tra lại", parent=2)

    assert (noted["version"]["number"], after["version"]["number"]) == (2, 3)


async def test_money_in_an_object_is_as_exact_as_in_a_text(redis: ArqRedis, ops: httpx2.AsyncClient) -> None:
    await redis.hset(keys.shop(ORG, "shop"), "currency", "USD")
    when = '{"field": "total_spent", "op": "at_least", "value": 90071992547409.93}'
    rules = f'{{"version": 1, "currency": "USD", "rules": [{{"id": "vip", "tag": "VIP", "when": {when}}}]}}'
    body = f'{{"rules": {rules}, "approve": true}}'

    headers = {"Content-Type": "application/json"}
    done = await ops.post(f"{API}/rules/publish", content=body, headers=headers)

    shown = await ops.get(f"{API}/rules")
    assert done.status_code == 200, done.text
    assert '"value":90071992547409.93' in shown.text
    assert "value: 90071992547409.93" in shown.json()["yaml"]


@pytest.mark.parametrize("path", ["rules/preview", "rules/publish"])
async def test_amounts_of_another_currency_than_the_shops_are_compared_with_nothing(
    ops: httpx2.AsyncClient, path: str
) -> None:
    refused = await asked(ops, path, rules=f"currency: USD\n{LOW}", status=409)

    assert "the rules are in USD, the shop's amounts in VND: write `currency: VND`" in refused["detail"]


async def test_a_publish_from_an_old_look_is_refused(ops: httpx2.AsyncClient) -> None:
    await asked(ops, "rules/publish", rules=LOW, approve=True)

    refused = await asked(ops, "rules/publish", rules=HIGH, parent=1, status=409)

    assert "version 2 is live, you began from 1" in refused["detail"]


async def test_wrong_rules_are_refused_with_every_error_and_its_place(ops: httpx2.AsyncClient) -> None:
    wrong = (
        "version: 1\nrules:\n  - {id: vip, tag: VIP, when: {field: total_spend, op: at_least, value: 1}}\n"
    )

    told = await asked(ops, "rules/preview", rules=wrong, status=400)

    [problem] = told["problems"]
    assert (problem["line"], problem["path"], problem["kind"], problem["part"]) == (
        3,
        "rules.0.when",
        "unknown_field",
        "field",
    )
    assert "did you mean 'total_spent'" in problem["message"]


async def test_rolling_back_is_looked_at_first_and_the_latest_is_undone_freely(
    redis: ArqRedis, ops: httpx2.AsyncClient
) -> None:
    await asked(ops, "rules/publish", rules=LOW, approve=True)
    await known(redis, Customer(id=2, total_spent=9_660_000_0000, tags=("VIP",)), version=2)

    looked = await asked(ops, "rules/rollback", to=1, dry_run=True)
    done = await asked(ops, "rules/rollback", to=1)

    assert (looked["preview"]["removed"], looked["published"]) == (1, None)
    assert not looked["preview"]["guard"]["needs_approval"]
    assert (done["preview"], done["published"]["version"]["number"]) == (None, 3)
    assert done["published"]["version"]["note"] == "back to version 1"
    history = (await got(ops, "rules/history"))["versions"]
    assert [one["number"] for one in history] == [3, 2, 1]
    assert history[0]["content"] == history[2]["content"] != history[1]["content"]
    assert (await deeds(redis))[0] == ("an", "rollback")
    assert not (await got(ops, "audit"))["entries"][0]["details"]["approved"]


async def test_there_is_nothing_to_roll_forward_to(ops: httpx2.AsyncClient) -> None:
    await asked(ops, "rules/rollback", to=1, status=409)
    await asked(ops, "rules/rollback", to=7, status=409)


async def test_versions_are_shown_and_compared_in_sentences_and_as_yaml(ops: httpx2.AsyncClient) -> None:
    await asked(ops, "rules/publish", rules=LOW, approve=True)

    live, first = await got(ops, "rules"), await got(ops, "rules?version=1")
    vi, en = await got(ops, "rules/diff"), await got(ops, "rules/diff?from=2&to=1&lang=en")

    assert (live["version"]["number"], first["version"]["number"]) == (2, 1)
    assert live["rules"]["rules"][0]["id"] == "vip"
    assert "tag: VIP" in first["yaml"]
    assert (vi["from"], vi["to"], en["from"], en["to"]) == (1, 2, 2, 1)
    assert vi["text"][0] == "~ Khách VIP (đã sửa)"
    assert {"sign": "+", "text": "Tổng chi tiêu từ 9.000.000 ₫ trở lên"} in vi["rules"][0]["lines"]
    assert {"sign": "+", "text": "Total spent is at least ₫10,000,000"} in en["rules"][0]["lines"]
    assert vi["yaml"].startswith("--- v1\n+++ v2\n")


async def test_a_shop_without_rules_or_with_one_version_has_nothing_to_show(ops: httpx2.AsyncClient) -> None:
    await got(ops, "rules/diff", status=404)
    await got(ops, "rules?version=9", status=404)
    other = await ops.get(f"{API.replace(ORG, '1000000002')}/rules")

    assert other.status_code == 404


async def test_copies_are_counted_then_adopted(redis: ArqRedis, ops: httpx2.AsyncClient) -> None:
    counted = await asked(ops, "rules/adopt", tag="VIP", dry_run=True)
    assert counted == {"tag": "VIP", "action": "adopt", "customers": 1, "samples": [3], "run": None}
    assert not await redis.hexists(keys.shop(ORG, "owned"), "3")

    done = await asked(ops, "rules/adopt", tag="VIP")
    again = await asked(ops, "rules/adopt", tag="vip")
    await executed(redis)

    run = await got(ops, f"runs/{done['run']['id']}")
    assert again["run"]["id"] == done["run"]["id"]
    assert (run["kind"], run["explains_removals"], run["total"], run["pending"]) == ("adopt", True, 1, False)
    assert await redis.hexists(keys.shop(ORG, "owned"), "3")
    assert (await deeds(redis))[0] == ("an", "adopt")


async def test_a_tag_that_a_live_rule_gives_is_not_retracted_and_another_is(
    redis: ArqRedis, ops: httpx2.AsyncClient
) -> None:
    refused = await asked(ops, "rules/retract", tag="VIP", status=409)
    assert "would give 'VIP' again" in refused["detail"]
    await asked(ops, "rules/publish", rules="version: 1\nrules: []\n", approve=True)

    counted = await asked(ops, "rules/retract", tag="VIP", dry_run=True)
    done = await asked(ops, "rules/retract", tag="VIP")

    assert (done["run"]["kind"], done["run"]["pending"]) == ("retract", True)
    assert (counted["customers"], counted["run"]) == (1, None)
    assert (done["samples"], done["run"]["reason"]) == ([1], "retract VIP")
    assert (await deeds(redis))[0] == ("an", "retract")


async def test_an_exclusion_is_looked_at_then_made_and_undone(
    redis: ArqRedis, ops: httpx2.AsyncClient
) -> None:
    looked = await asked(ops, "customers/2/exclusions", rule="vip", dry_run=True)
    assert not await redis.exists(keys.shop(ORG, "exclusions"))

    done = await asked(ops, "customers/2/exclusions", rule="vip")
    again = await asked(ops, "customers/2/exclusions", rule="vip")
    undone = await asked(ops, "customers/2/exclusions", rule="vip", undo=True)

    assert looked == done == {"customer": 2, "rule": "vip", "undo": False, "changed": True, "add": [], "remove": []}  # fmt: skip
    assert (again["changed"], undone["changed"]) == (False, True)
    assert [what for _, what in await deeds(redis)] == ["include", "exclude", "publish"]
    await asked(ops, "customers/2/exclusions", rule="nope", status=404)


async def test_a_tag_of_digits_can_be_asked_about(ops: httpx2.AsyncClient) -> None:
    assert (await got(ops, "customers/1?tag=2026"))["tags"] == []


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
        pytest.param("rules/rollback", {"to": 0}, 400, id="version 0"),
        pytest.param("rules/adopt", {"tag": ""}, 400, id="no tag"),
        pytest.param("rules/adopt", {"tag": "Nhãn lạ"}, 409, id="a tag of no rule"),
        pytest.param("customers/2/exclusions", {}, 400, id="no rule"),
    ],
)
async def test_a_mistake_is_told_as_a_problem(
    ops: httpx2.AsyncClient, path: str, body: dict[str, Any], status: int
) -> None:
    answer = await ops.post(f"{API}/{path}", json=body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert len(answer.json()["detail"]) > 5
