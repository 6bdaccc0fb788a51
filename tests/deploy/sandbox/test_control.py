"""The control API: the methods of the handle over HTTP, and errors for bad requests."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.sandbox import Clock, Sandbox, ShopHandle
from deploy.sandbox.control import COMMANDS, SWITCHES


async def _post(api: Any, path: str, **arguments: Any) -> Any:
    return await api("POST", f"/_sandbox/{path}", arguments)


async def test_everything_is_described(api: Any) -> None:
    response = await api("GET", "/_sandbox/")

    described = response.json["commands"]
    wanted = {f"{part}/{name}".lstrip("/") for part, names in COMMANDS.items() for name in names} | set(
        SWITCHES
    )
    assert wanted <= set(described)
    assert all(
        about["does"] for name, about in described.items() if name in {"order", "faults/fail", "faults"}
    )


async def test_a_customer_s_life_by_command(api: Any, shop: ShopHandle, clock: Clock) -> None:
    made = (await _post(api, "create", first_name="Ánh", province="Hà Nội")).json["result"]
    await _post(api, "order", customer_id=made, amount=1_500_000)
    await _post(api, "refund", customer_id=made, amount=500_000)
    await _post(api, "edit", customer_id=made, note="Khách quen")
    await _post(api, "tag_by_hand", customer_id=made, tag="VIP")

    record = (await _post(api, "customer", customer_id=made)).json["result"]

    assert (record["total_spent"], record["note"], record["tags"]) == (1_000_000, "Khách quen", "VIP")

    await _post(api, "delete", customer_id=made)

    assert shop.ids() == []


async def test_populate_answers_the_ids(api: Any, shop: ShopHandle) -> None:
    response = await _post(api, "populate", n=3, seed=5)

    assert response.json["result"] == shop.ids()


async def test_another_shop_is_named_by_its_org(api: Any, sandbox: Sandbox, shop: ShopHandle) -> None:
    opened = await _post(api, "shops", org="1000000002", token="token-2", secret="secret-2")

    await _post(api, "create?org=1000000002")

    assert opened.json["org"] == "1000000002"
    assert (len(shop.ids()), len(sandbox.handles["1000000002"].ids())) == (0, 1)
    assert [shop["org"] for shop in (await api("GET", "/_sandbox/shops")).json["shops"]] == [
        "1000000001",
        "1000000002",
    ]


async def test_faults_can_be_set_and_cleared(api: Any, shop: ShopHandle) -> None:
    await _post(api, "faults/fail", status=503, next=1, endpoint="GET customers")
    shown = await _post(api, "faults", ids_mode="omit", lag_s=2, missing_fields=["note"])

    assert (await api("GET", "/com/customers.json")).status == 503
    assert (shop.faults.ids_mode, shop.faults.lag_s, shop.faults.missing_fields) == (
        "omit",
        2.0,
        frozenset({"note"}),
    )
    assert shown.json["ids_mode"] == "omit"

    await _post(api, "faults/clear")

    assert shop.faults.ids_mode == "ok"


async def test_deliveries_can_be_paused_and_logged(api: Any, shop: ShopHandle, receiver: Any) -> None:
    await _post(api, "subscribe", url=receiver.url)
    await _post(api, "deliveries/pause")
    await _post(api, "create")
    held = (await _post(api, "status")).json["result"]["pending"]

    await _post(api, "deliveries/resume")
    idle = await _post(api, "wait_idle")

    assert (held, idle.json) == (1, {"idle": True})
    log = (await api("GET", "/_sandbox/deliveries/log")).json["log"]
    assert [(sent["topic"], sent["status"]) for sent in log] == [("customers/create", 200)]


async def test_bucket_and_shop_have_switches(api: Any, shop: ShopHandle) -> None:
    await _post(api, "bucket", size=1_000, leak_per_s=100)
    await _post(api, "shop", echo=False, scopes=["com.read_customers"])

    assert (shop.bucket.size, shop.bucket.leak_per_s) == (1_000, 100.0)
    assert (shop.shop.echo, shop.shop.scopes) == (False, ("com.read_customers",))


async def test_the_call_log_is_returned_and_cleared(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()
    await api("POST", f"/com/customers/{customer}/tags.json", {"tags": "VIP"})

    shown = (await api("GET", "/_sandbox/calls?last=5")).json
    await api("DELETE", "/_sandbox/calls")

    assert shown["by_endpoint"] == {"POST tags": 1}
    assert (shown["last"][0]["body"], shown["last"][0]["customers"]) == ('{"tags": "VIP"}', [customer])
    assert shop.calls.count() == 0


async def test_time_can_be_moved(api: Any, clock: Clock) -> None:
    before = clock()

    response = await _post(api, "advance", seconds=60)

    assert response.json == {"now": before + 60}


NONSENSE: dict[str, tuple[str, Any, int]] = {
    "an unknown command": ("fly", {}, 404),
    "an unknown fault": ("faults/fly", {}, 404),
    "an unknown part": ("wings/flap", {}, 404),
    "a private method": ("_present", {}, 404),
    "an unknown shop": ("create?org=9", {}, 404),
    "an unknown customer": ("order", {"customer_id": 7, "amount": 1}, 404),
    "an unknown argument": ("populate", {"n": 1, "colour": "blue"}, 400),
    "a missing argument": ("populate", {}, 400),
    "an unknown field": ("create", {"colour": "blue"}, 400),
    "no amount of money": ("order", {"customer_id": 1, "amount": "many"}, 400),
    "an unknown switch": ("faults", {"colour": "blue"}, 400),
    "a switch of another kind": ("faults", {"lag_s": "long"}, 400),
    "arguments that are a list": ("populate", [1], 400),
    "a taken org": ("shops", {"org": "1000000001"}, 400),
}


@pytest.mark.parametrize(("path", "body", "status"), NONSENSE.values(), ids=NONSENSE)
async def test_a_bad_request_gets_a_clear_error(
    api: Any, shop: ShopHandle, path: str, body: Any, status: int
) -> None:
    shop.create(id=1)

    response = await api("POST", f"/_sandbox/{path}", body)

    assert response.status == status
    assert response.json["error"]


async def test_a_command_is_not_read(api: Any, shop: ShopHandle) -> None:
    assert (await api("GET", "/_sandbox/populate")).status == 404
    assert (await api("GET", "/_sandbox/status")).json["result"]["org"] == shop.org
