"""Tokens, scopes, hosts, the call limit, cookies and the call log."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.sandbox import Clock, Sandbox, ShopHandle

_FILLED = "X-Haravan-Api-Call-Limit"

TOKENS = {
    "none": {"Authorization": ""},
    "an unknown token": {"Authorization": "Bearer token-9"},
    "another scheme": {"Authorization": "Basic token-1"},
    "the right token at another shop's host": {"Host": "shop-9.myharavan.com"},
}


@pytest.mark.parametrize("headers", TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize("path", ["/com/customers.json", "/admin/customers.json", "/api/subscribe"])
async def test_a_bad_token_is_unauthorized(api: Any, headers: dict[str, str], path: str) -> None:
    assert (await api("GET", path, headers=headers)).status == 401


async def test_the_shop_s_own_host_opens_the_older_api(api: Any) -> None:
    response = await api("GET", "/admin/customers.json", headers={"Host": "shop-1000000001.myharavan.com"})

    assert response.status == 200


async def test_a_token_selects_its_shop(api: Any, sandbox: Sandbox, shop: ShopHandle) -> None:
    other = sandbox.add_shop(org="1000000002", token="token-2")
    shop.create(first_name="Một")
    other.create(first_name="Hai")

    response = await api(
        "GET", "/com/customers.json?fields=first_name", headers={"Authorization": "Bearer token-2"}
    )

    assert response.json == {"customers": [{"first_name": "Hai"}]}


async def test_a_replaced_token_is_no_longer_accepted(api: Any, shop: ShopHandle) -> None:
    await api("GET", "/com/customers.json")
    shop.replace_token("token-new")

    assert (await api("GET", "/com/customers.json")).status == 401
    assert (await api("GET", "/com/shop.json", headers={"Authorization": "Bearer token-new"})).status == 200

    shop.replace_token(None)

    assert (await api("GET", "/com/shop.json", headers={"Authorization": "Bearer token-new"})).status == 401


async def test_unauthorized_calls_are_counted(api: Any, sandbox: Sandbox, shop: ShopHandle) -> None:
    shop.replace_token(None)

    await api("GET", "/com/customers.json")

    assert sandbox.registry.unauthorized.by_endpoint() == {"GET customers": 1}
    assert shop.calls.count() == 0


def test_a_taken_org_or_token_is_refused(sandbox: Sandbox, shop: ShopHandle) -> None:
    with pytest.raises(ValueError, match="taken"):
        sandbox.add_shop(org="1000000001", token="token-2")
    with pytest.raises(ValueError, match="taken"):
        sandbox.add_shop(org="1000000002", token="token-1")


SCOPES = {
    "reading without it": ("com.write_customers", "GET", "/com/customers.json", None),
    "writing without it": ("com.read_customers", "POST", "/com/customers/1/tags.json", {"tags": "x"}),
    "deleting without it": ("com.read_customers", "DELETE", "/admin/customers/1.json", None),
    "subscribing without it": ("com.read_customers", "POST", "/api/subscribe", {}),
}


@pytest.mark.parametrize(("scope", "method", "path", "body"), SCOPES.values(), ids=SCOPES)
async def test_a_missing_scope_is_forbidden(
    api: Any, shop: ShopHandle, scope: str, method: str, path: str, body: Any
) -> None:
    shop.shop.scopes = (scope,)

    response = await api(method, path, body)

    assert (response.status, response.text) == (403, "{}")


async def test_every_answer_says_how_full_the_bucket_is(api: Any, shop: ShopHandle) -> None:
    response = [await api("GET", path) for path in ("/com/customers.json", "/com/customers/9.json")]

    assert [answer.headers[_FILLED] for answer in response] == ["1/80", "2/80"]


async def test_a_full_bucket_throttles_every_call_until_its_time(
    api: Any, shop: ShopHandle, clock: Clock
) -> None:
    shop.consume_quota(80)

    full = await api("GET", "/com/customers.json")
    clock.advance(1.9)
    early = await api("GET", "/com/customers.json")
    clock.advance(0.1)
    late = await api("GET", "/com/customers.json")

    assert (full.status, full.headers["retry-after"]) == (429, "2.0")
    assert (early.status, early.headers["retry-after"]) == (429, "0.1")
    assert (late.status, late.headers[_FILLED]) == (200, "73/80")


async def test_the_bucket_leaks_four_a_second(api: Any, shop: ShopHandle, clock: Clock) -> None:
    shop.consume_quota(40)
    clock.advance(5)

    assert (await api("GET", "/com/customers.json")).headers[_FILLED] == "21/80"


async def test_a_bucket_can_leak_in_steps(api: Any, shop: ShopHandle, clock: Clock) -> None:
    shop.bucket.step_s = 1.0
    await api("GET", "/com/customers.json")
    shop.consume_quota(40)

    clock.advance(0.9)
    before = await api("GET", "/com/customers.json")
    clock.advance(0.1)
    after = await api("GET", "/com/customers.json")

    assert [answer.headers[_FILLED] for answer in (before, after)] == ["42/80", "39/80"]


async def test_one_shop_s_bucket_is_not_another_s(api: Any, sandbox: Sandbox, shop: ShopHandle) -> None:
    sandbox.add_shop(org="1000000002", token="token-2")
    shop.consume_quota(80)

    response = await api("GET", "/com/customers.json", headers={"Authorization": "Bearer token-2"})

    assert response.status == 200


async def test_a_bucket_can_be_made_larger_and_faster(clock: Clock) -> None:
    shop = Sandbox(clock=clock, bucket_size=1000, leak_per_s=500).add_shop()

    shop.consume_quota(1000)
    clock.advance(1)

    assert shop.bucket.header(clock()) == "500/1000"


async def test_a_post_with_cookies_fails_with_a_200(api: Any, shop: ShopHandle) -> None:
    customer = shop.create(tags="VIP")
    cookies = {"headers": {"Cookie": "session=1"}}

    made = await api("POST", "/com/customers.json", {"customer": {"first_name": "Ánh"}}, **cookies)
    tagged = await api("POST", f"/com/customers/{customer}/tags.json", {"tags": "x"}, **cookies)

    assert (made.status, list(made.json)) == (200, ["customers"])
    assert (tagged.status, tagged.json) == (200, {"tags": "VIP"})
    assert (shop.ids(), shop.tags(customer)) == ([customer], {"VIP"})


async def test_calls_are_counted_by_endpoint_and_status(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()
    await api("GET", f"/com/customers.json?ids={customer},9")
    await api("POST", f"/com/customers/{customer}/tags.json", {"tags": "VIP"})
    await api("POST", "/com/customers/9/tags.json", {"tags": "VIP"})

    assert shop.calls.by_endpoint() == {"GET customers": 1, "POST tags": 2}
    assert shop.calls.by_status() == {200: 2, 404: 1}
    assert (shop.calls.count(), shop.calls.count("POST tags"), shop.calls.count(status=404)) == (3, 2, 1)
    assert [(call.customers, call.status) for call in shop.calls.last] == [
        ((customer, 9), 200),
        ((customer,), 200),
        ((9,), 404),
    ]
    assert shop.calls.last[1].body == b'{"tags": "VIP"}'

    shop.calls.reset()

    assert (shop.calls.count(), len(shop.calls.last)) == (0, 0)


async def test_an_event_can_be_put_right_before_a_call_takes_effect(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()
    shop.on_call("GET customers", then=lambda: shop.order(customer, 5_000_000), when="before")

    first = await api("GET", f"/com/customers.json?ids={customer}")
    second = await api("GET", f"/com/customers.json?ids={customer}")

    assert [response.json["customers"][0]["orders_count"] for response in (first, second)] == [1, 1]


async def test_an_event_can_be_put_between_effect_and_answer(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()

    async def by_hand() -> None:
        shop.untag_by_hand(customer, "VIP")

    shop.on_call(lambda call: call.customer == customer, then=by_hand)

    response = await api("POST", f"/com/customers/{customer}/tags.json", {"tags": "VIP"})

    assert response.json == {"tags": "VIP"}
    assert shop.tags(customer) == set()
