"""Every endpoint that changes something leaves an entry in the audit log, and those that only read leave none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from service.domain.access import Role
from service.store.client import SERVICE, RedisClient, keys
from service.store.history import AuditRow, audit_log
from service.store.shops import save_first_look
from service.web.ops.contract import Endpoint
from service.web.ops.routes import ENDPOINTS
from tests.support.shop import ORG
from tests.web.ops.conftest import API, HIGH, LOW, get, post, store_dead_letter, store_token

TOMORROW = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()  # in every zone
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
Prepare = Callable[[httpx2.AsyncClient, RedisClient], Awaitable[Any]]
BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}


async def nothing(_: httpx2.AsyncClient, __: RedisClient) -> None: ...


async def dead_letter(_: httpx2.AsyncClient, redis: RedisClient) -> None:
    await store_dead_letter(redis, 7)


async def shadow(ops: httpx2.AsyncClient, _: RedisClient) -> None:
    await ops.post(f"{API}/shadow")


async def second_version(ops: httpx2.AsyncClient, _: RedisClient) -> None:
    await post(ops, "rules/publish", rules=LOW, approve=True)


async def no_rules(ops: httpx2.AsyncClient, _: RedisClient) -> None:
    await post(ops, "rules/publish", rules="version: 1\nrules: []\n", approve=True)


async def waiting_first_look(_: httpx2.AsyncClient, redis: RedisClient) -> None:
    await save_first_look(redis, ORG, "waiting")


async def counted_replay(ops: httpx2.AsyncClient, _: RedisClient) -> None:
    await post(ops, "replays", customers=[7], dry_run=True)


async def replay(ops: httpx2.AsyncClient, _: RedisClient) -> None:
    await post(ops, "replays", customers=[7])


async def paused_replay(ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    await replay(ops, redis)
    run = (await ops.get(f"{API}/runs")).json()["runs"][0]["id"]
    await ops.post(f"{API}/replays/{run}/pause")


async def scheduled(ops: httpx2.AsyncClient, _: RedisClient) -> None:
    await post(ops, "rules/scheduled", rules=LOW, at=LATER, approve=True)


async def planned_freeze(ops: httpx2.AsyncClient, _: RedisClient) -> None:
    await post(ops, "freeze", first=TOMORROW, last=TOMORROW)


async def token(ops: httpx2.AsyncClient, _: RedisClient) -> None:
    await ops.post("/ops/v1/tokens", json={"name": "bao-cao", "role": "viewer"})


async def draft(ops: httpx2.AsyncClient, _: RedisClient) -> None:
    await ops.put(f"{API}/rules/draft", json={"rules": LOW}, headers={"If-Match": "*"})


async def user(ops: httpx2.AsyncClient, _: RedisClient) -> None:
    for name, role in (("lan", "owner"), ("bao-cao", "viewer")):
        await ops.post("/ops/v1/users", json={"name": name, "email": f"{name}@example.com", "role": role})


async def endpoint(ops: httpx2.AsyncClient, _: RedisClient) -> None:
    await ops.post(f"{API}/endpoints", json={"url": "https://example.com/hook"})


# endpoint -> what it needs, its body, the action of its entry. A new endpoint that changes something needs a row here,
# and one that shows personal data of a customer.
CHANGES: Mapping[str, tuple[Prepare, dict[str, Any] | None, str]] = {
    "register_shop": (
        nothing,
        {
            "org": "1000000077",
            "token": "t" * 32,
            "name": "Hoa",
            "api_url": "https://apis.haravan.com/com",
            "unchecked": True,
        },
        "add_shop",
    ),
    "replace_shop_token": (nothing, {"token": "Hoa" * 9, "unchecked": True}, "shop_token"),
    "replace_shop_secret": (nothing, {"secret": "Hoa" * 9}, "shop_secret"),
    "subscribe_shop": (nothing, None, "subscribe"),
    "unsubscribe_shop": (nothing, None, "unsubscribe"),
    "start_backfill": (nothing, None, "backfill"),
    "start_reconcile": (nothing, {"since": "2025-11-24T08:00:00+07:00"}, "reconcile"),
    "pause": (nothing, {"reason": "Chị Hoa báo lỗi"}, "pause"),
    "resume": (nothing, None, "resume"),
    "enable_shadow": (nothing, None, "shadow"),
    "disable_shadow": (shadow, {}, "live"),
    "freeze_shop": (nothing, {"first": TOMORROW, "last": TOMORROW}, "freeze"),
    "unfreeze_shop": (planned_freeze, {}, "cancel_freeze"),
    "schedule_rules": (nothing, {"rules": LOW, "note": "Chị Hoa", "at": LATER, "approve": True}, "schedule"),
    "reschedule_rules": (scheduled, {"at": LATER}, "reschedule"),
    "publish_scheduled_rules": (scheduled, {"approve": True}, "publish"),
    "unschedule_rules": (scheduled, None, "unschedule"),
    "replace_draft": (nothing, {"rules": LOW}, "replace_draft"),
    "discard_draft": (draft, None, "discard_draft"),
    "retry_dead_letters": (dead_letter, {}, "retry_dead_letters"),
    "drop_dead_letters": (dead_letter, {"reason": "khách thử"}, "drop_dead_letters"),
    "create_replay": (nothing, {"customers": [7], "reason": "Chị Hoa báo lỗi"}, "replay"),
    "start_counted_replay": (counted_replay, {"reason": "Chị Hoa báo lỗi"}, "replay"),
    "pause_running_replay": (replay, None, "pause_replay"),
    "resume_paused_replay": (paused_replay, None, "resume_replay"),
    "cancel_active_replay": (replay, None, "cancel_replay"),
    "publish_rules": (nothing, {"rules": LOW, "note": "Chị Hoa", "approve": True}, "publish"),
    "roll_back_rules": (second_version, {"to": 1, "note": "Chị Hoa"}, "rollback"),
    "adopt_tag": (nothing, {"tag": "VIP"}, "adopt"),
    "retract_tag": (no_rules, {"tag": "VIP", "approve": True}, "retract"),
    "approve_first_look": (waiting_first_look, {}, "approve"),
    "exclude_customer": (nothing, {"rule": "vip"}, "exclude"),
    "export_customer": (nothing, None, "export_customer"),
    "erase_customer": (nothing, None, "erase_customer"),
    "add_endpoint": (nothing, {"url": "https://example.com/Hoa"}, "add_endpoint"),
    "change_endpoint": (endpoint, {"events": ["shop.paused"]}, "change_endpoint"),
    "rotate_endpoint_secret": (endpoint, None, "rotate_endpoint_secret"),
    "replay_events": (endpoint, {"since": "2025-11-24T08:00:00+07:00"}, "replay_events"),
    "retry_events": (endpoint, None, "retry_events"),
    "delete_endpoint": (endpoint, None, "remove_endpoint"),
    "add_page_user": (nothing, {"name": "lan", "email": "Hoa@example.com", "role": "owner"}, "add_user"),
    "change_page_user": (user, {"role": "marketer"}, "change_user"),
    "remove_page_user": (user, None, "remove_user"),
    "create_sign_in_link": (user, None, "sign_in_link"),
    "rotate_all_keys": (nothing, {}, "rotate_keys"),
    "delete_shop": (nothing, None, "remove_shop"),
    "create_token": (nothing, {"name": "bao-cao", "role": "viewer"}, "add_token"),
    "delete_token": (token, None, "revoke_token"),
}


READS = {endpoint.name for endpoint in ENDPOINTS if not endpoint.is_change} - CHANGES.keys()
READ_BODIES = {"preview_rules": {"rules": LOW}, "search_customers": {"text": "Hoa"}}


async def entries(redis: RedisClient) -> list[AuditRow]:
    """The entries of the shop and of the service, each chain newest first."""
    return [*await audit_log.list_entries(redis, ORG), *await audit_log.list_entries(redis, SERVICE)]


async def send(
    ops: httpx2.AsyncClient, endpoint: Endpoint, body: dict[str, Any] | None, *, run: str = "R1"
) -> httpx2.Response:
    path = endpoint.path.format(
        org=ORG, customer="7", run=run, token="bao-cao", user="bao-cao", endpoint="E1"
    )
    return await ops.request(endpoint.method, path, json=body, headers={"If-Match": "*"})


def test_every_endpoint_changes_something_or_only_reads() -> None:
    assert CHANGES.keys() | READS == BY_NAME.keys()
    assert not CHANGES.keys() & READS


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_leaves_one_entry_and_a_repeated_one_none(
    rules_ops: httpx2.AsyncClient, redis: RedisClient, name: str
) -> None:
    prepare, body, action = CHANGES[name]
    await prepare(rules_ops, redis)
    before = await entries(redis)

    latest = (await redis.get(keys.shop(ORG, "run_seq")) or b"1").decode()
    rules_ops.headers["Idempotency-Key"] = "k1"
    answer = await send(rules_ops, BY_NAME[name], body, run=f"R{latest}")

    assert answer.status_code == 200, answer.text
    added = [row.entry for row in await entries(redis) if row not in before]
    assert [(entry.action, entry.by, entry.kind) for entry in added] == [(action, "an", "environment")]
    assert added[0].summary
    assert "Hoa" not in added[0].summary  # free text may be about a person
    if BY_NAME[name].is_change:
        after = await entries(redis)
        again = await send(rules_ops, BY_NAME[name], body, run=f"R{latest}")
        assert (again.status_code, again.content) == (200, answer.content)
        assert again.headers["idempotency-replayed"] == "true"
        assert await entries(redis) == after


DRY: dict[str, dict[str, Any]] = {
    "create_replay": {"customers": [7]},
    "roll_back_rules": {"to": 1},
    "adopt_tag": {"tag": "VIP"},
    "publish_scheduled_rules": {},
    "exclude_customer": {"rule": "vip"},
    "retry_dead_letters": {},
    "drop_dead_letters": {"reason": "thử"},
}


@pytest.mark.parametrize("name", DRY)
async def test_a_dry_run_leaves_none(rules_ops: httpx2.AsyncClient, redis: RedisClient, name: str) -> None:
    await second_version(rules_ops, redis)
    if name == "publish_scheduled_rules":
        await post(rules_ops, "rules/scheduled", rules=HIGH, at=LATER, approve=True)
    before = await entries(redis)

    answer = await send(rules_ops, BY_NAME[name], DRY[name] | {"dry_run": True})

    assert answer.status_code == 200, answer.text
    assert await entries(redis) == before


async def test_what_only_reads_leaves_none(rules_ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    before = await entries(redis)

    for name in sorted(READS):
        await send(rules_ops, BY_NAME[name], READ_BODIES.get(name))

    assert await entries(redis) == before


async def test_the_log_is_read_page_by_page(rules_ops: httpx2.AsyncClient) -> None:
    for _ in range(3):
        await rules_ops.post(f"{API}/resume")

    first = await get(rules_ops, "audit", limit="3")
    second = await get(rules_ops, "audit", limit="3", cursor=first["next"])

    assert [entry["number"] for entry in first["entries"]] == [4, 3, 2]
    assert [(entry["number"], entry["action"]) for entry in second["entries"]] == [(1, "publish")]
    assert second["next"] is None


async def test_the_log_is_filtered_by_author_action_and_time(
    rules_ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    await rules_ops.post(f"{API}/pause", json={"reason": "thử"})
    headers = await store_token(redis, Role.OPS)
    await rules_ops.post(f"{API}/resume", headers=headers)
    [newest, *_] = (await get(rules_ops, "audit"))["entries"]
    moment = datetime.fromtimestamp(newest["at_ms"] / 1000, UTC).isoformat()

    by = await get(rules_ops, "audit", by="ops-all")
    action = await get(rules_ops, "audit", action="publish")
    both = await get(rules_ops, "audit", by="an", action="resume")
    since = await get(rules_ops, "audit", since=moment)
    until = await get(rules_ops, "audit", until=moment, limit="1")
    rest = await get(rules_ops, "audit", until=moment, limit="1", cursor=until["next"])

    actions = [[entry["action"] for entry in each["entries"]] for each in (by, action, both, since)]
    assert actions == [["resume"], ["publish"], [], ["resume"]]
    assert [entry["action"] for entry in (*until["entries"], *rest["entries"])] == ["pause", "publish"]
    assert rest["next"] is None


async def test_the_log_of_the_service_is_filtered_by_shop(
    ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    await token(ops, redis)
    for org in ("1000000077", "1000000078"):
        shop = {"org": org, "token": "t" * 32, "unchecked": True}
        await ops.post("/ops/v1/shops", json=shop)

    found = (await ops.get("/ops/v1/audit", params={"shop": "1000000077"})).json()["entries"]

    assert [(entry["action"], "1000000077" in entry["summary"]) for entry in found] == [("add_shop", True)]


async def test_the_log_of_the_service_has_tokens(ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    await token(ops, redis)

    [entry] = (await ops.get("/ops/v1/audit")).json()["entries"]

    assert (entry["action"], entry["summary"]) == ("add_token", "token bao-cao: role viewer, shops: all")
