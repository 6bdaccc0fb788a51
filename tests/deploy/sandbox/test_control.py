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


async def test_active_faults_are_listed(api: Any, shop: ShopHandle) -> None:
    await _post(api, "faults/fail", status=520, next=2, endpoint="POST tags")
    await _post(api, "faults/throttle", rate=0.5)

    expected = [
        {
            "fault": "fail",
            "next": 2,
            "rate": 1.0,
            "endpoint": "POST tags",
            "customer": None,
            "status": 520,
            "html": True,
            "effect": False,
        },
        {"fault": "throttle", "next": None, "rate": 0.5, "endpoint": None, "customer": None, "seconds": 2.0},
    ]
    assert (await api("GET", "/_sandbox/faults")).json["active"] == expected
    assert (await api("GET", "/_sandbox/faults/active")).json["result"] == expected


MISTYPED: dict[str, tuple[str, Any, str]] = {
    "an endpoint": ("faults/fail", {"endpoint": "POST tag"}, "no endpoint POST tag; did you mean POST tags"),
    "a fault": ("faults/fial", {}, "no command of faults fial; did you mean fail?"),
    "a command": ("ordr", {}, "no command ordr; did you mean order?"),
    "a part": ("fault/fail", {}, "no part of a shop fault; did you mean faults?"),
    "a switch": ("faults", {"latency": 1}, "no switch latency; did you mean latency_s"),
    "an argument": ("order", {"customer": 1, "amount": 1}, "no argument customer; did you mean customer_id?"),
    "a field": ("create", {"frist_name": "A"}, "no field of a customer frist_name; did you mean first_name"),
}


@pytest.mark.parametrize(("path", "body", "error"), MISTYPED.values(), ids=MISTYPED)
async def test_a_mistyped_name_is_refused_with_the_nearest_one(
    api: Any, shop: ShopHandle, path: str, body: Any, error: str
) -> None:
    response = await api("POST", f"/_sandbox/{path}", body)

    assert response.status in {400, 404}
    assert response.json["error"].startswith(error)
    assert shop.faults.queue == []


OUT_OF_RANGE: dict[str, tuple[str, Any, str]] = {
    "no status": ("faults/fail", {"status": 0}, "status must be from 200 to 599, not 0"),
    "a status of four digits": ("faults/fail", {"status": 1000}, "status must be from 200 to 599, not 1000"),
    "a rate": ("faults/fail", {"rate": 7}, "rate must be from 0 to 1, not 7.0"),
    "no call": ("faults/fail", {"next": 0}, "next must be at least 1, not 0"),
    "a text": ("populate", {"n": "many"}, "n must be a whole number"),
    "nobody": ("populate", {"n": -1}, "n must be from 0 to 200000, not -1"),
    "a text or null": ("app", {"url": 7}, "url must be a text or null"),
    "a list": ("app", {"topics": "orders/create"}, "topics must be a list of texts or null"),
    "a choice": ("faults", {"ids_mode": "of"}, "ids_mode must be ok or ignored or omit or extra or reorder"),
    "a number": ("advance", {"seconds": "long"}, "seconds must be a number"),
    "the past": ("advance", {"seconds": -1}, "seconds must be from 0 to 316224000: time only moves forward"),
    "no argument": ("advance", {}, "missing: seconds"),
    "an amount": ("order", {"customer_id": 1, "amount": "many"}, "many is not an amount of money"),
    "a date": ("order", {"customer_id": 1, "amount": 1, "at": "soon"}, "at cannot be 'soon'"),
    "a birthday": ("create", {"birthday": "1990-02-30"}, "birthday cannot be '1990-02-30'"),
    "tags": ("create", {"tags": 5}, "tags cannot be 5"),
    "an id": ("create", {"id": "x"}, f"id must be a whole number from 1 to {2**63 - 1}"),
    "a province": ("create", {"province": 5}, "province must be a text or null"),
    "an address": ("create", {"default_address": 5}, "default_address must be an object or null"),
    "a time zone": ("shops", {"org": "2", "token": "t", "timezone": "Mars"}, "no time zone Mars"),
    "no subscription": ("deliver", {"topic": "x", "body": "{}"}, "there is no subscription"),
    "no object": ("create", [1], "the body must be a JSON object with the arguments"),
}


@pytest.mark.parametrize(("path", "body", "error"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE)
async def test_a_value_that_cannot_be_is_refused_in_plain_words(
    api: Any, shop: ShopHandle, path: str, body: Any, error: str
) -> None:
    shop.create(id=1)

    response = await api("POST", f"/_sandbox/{path}", body)

    assert response.status == 400
    assert response.json["error"].startswith(error)


HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    1e300,
    "",
    "x",
    "9" * 5_000,
    "\ud83d",
    [],
    [[]],
    {},
    {"a": 1},
    [None],
)
PYTHON = (
    "Error",
    "' object",
    "argument '",
    "xpected",
    "`",
    "<class",
    "NoneType",
    "isoformat",
    "codec",
    "literal",
)
"""What Python, msgspec and the decimal library write."""


@pytest.mark.parametrize("command", sorted({*COMMANDS[""], "advance", "shops", "wait_idle"}))
async def test_no_value_gets_a_text_of_python_s(api: Any, shop: ShopHandle, command: str) -> None:
    shop.create(id=1)
    names = [
        "customer_id",
        "amount",
        "at",
        "n",
        "tag",
        "name",
        "url",
        "token",
        "secret",
        "topic",
        "body",
        "seconds",
    ]
    names += [
        "id",
        "calls",
        "addresses",
        "metafields",
        "orders",
        "state",
        "timezone",
        "scopes",
        "retries",
        "org",
    ]
    for value in HOSTILE:
        for name in names:
            arguments = {"customer_id": 1, name: value}
            response = await api("POST", f"/_sandbox/{command}", arguments)

            assert response.status in {200, 400, 404}, (command, name, value, response.text)
            error = str((response.json or {}).get("error", ""))
            assert not [word for word in PYTHON if word in error], (command, name, value, error)


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
    "a bad number of calls": ("deliveries/clear?org=9", {}, 404),
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
