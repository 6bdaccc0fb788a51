"""Both dialects with the sandbox: what a call changes in the shop, and how many requests it costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from deploy.sandbox import Sandbox, ShopHandle
from service.domain.customers.customer import CustomerId
from service.errors import ApiUnavailable, CustomerNotFound, HaravanError, Refused, RequestRejected
from tests.workers.haravan.conftest import ORG, Connect, FakeServer, RecordingPermits
from workers.haravan.calls import Response
from workers.haravan.client import Haravan
from workers.haravan.decoding import compare
from workers.haravan.dialects import DialectName
from workers.haravan.dialects.admin import Admin
from workers.haravan.dialects.omni import Omni

BOTH = pytest.mark.parametrize("name", ["omni", "admin"])
PERSON = {"first_name": "Ánh", "last_name": "Nguyễn", "email": "anh@example.com"}
NOBODY = CustomerId(7)


def customers_of(shop: ShopHandle, count: int) -> list[CustomerId]:
    return [CustomerId(number) for number in shop.populate(count, seed=1)]


@BOTH
async def test_a_customer_is_created_updated_read_and_deleted(
    connect: Connect, permits: RecordingPermits, name: DialectName
) -> None:
    haravan = connect(name)
    api = haravan.dialect

    made = await haravan.perform(api.create(PERSON), permits)
    await haravan.perform(api.update(CustomerId(made["id"]), {"note": "Khách quen"}), permits)
    record = await haravan.perform(api.get(CustomerId(made["id"])), permits)
    await haravan.perform(api.delete(CustomerId(made["id"])), permits)

    assert (record.customer.first_name, record.customer.note) == ("Ánh", "Khách quen")
    with pytest.raises(CustomerNotFound):
        await haravan.perform(api.get(CustomerId(made["id"])), permits)


@BOTH
async def test_a_duplicate_e_mail_is_rejected_and_is_not_in_the_error(
    connect: Connect, permits: RecordingPermits, name: DialectName
) -> None:
    haravan = connect(name)
    await haravan.perform(haravan.dialect.create(PERSON), permits)

    with pytest.raises(RequestRejected) as caught:
        await haravan.perform(haravan.dialect.create(PERSON), permits)

    assert "anh@" not in str(caught.value)


@BOTH
async def test_a_customer_with_orders_is_not_deleted(
    connect: Connect, shop: ShopHandle, permits: RecordingPermits, name: DialectName
) -> None:
    haravan = connect(name)
    buyer = CustomerId(shop.create())
    shop.order(buyer, 500_000)

    with pytest.raises(RequestRejected) as caught:
        await haravan.perform(haravan.dialect.delete(buyer), permits)

    assert "existing orders" in caught.value.response_text


@BOTH
async def test_tags_are_added_and_removed(
    connect: Connect, shop: ShopHandle, permits: RecordingPermits, name: DialectName
) -> None:
    haravan = connect(name)
    buyer = CustomerId(shop.create(tags="Bạc,Khách quen"))

    change = haravan.dialect.change_tags(buyer, add=["Vàng", "VIP"], remove=["Bạc"])
    tags = await haravan.perform(change, permits)

    assert set(tags) == shop.tags(buyer) == {"Khách quen", "Vàng", "VIP"}
    assert len(permits.requests) == 2


async def test_the_omni_dialect_adds_tags_in_one_request(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    buyer = CustomerId(shop.create())

    await omni.perform(omni.dialect.add_tags(buyer, ["VIP"]), permits)

    assert permits.endpoints == ["POST tags"]


async def test_the_admin_dialect_writes_nothing_if_the_tags_are_right_already(
    admin: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    buyer = CustomerId(shop.create(tags="VIP"))

    tags = await admin.perform(admin.dialect.change_tags(buyer, add=["vip"], remove=["Bạc"]), permits)

    assert tags == ("VIP",)
    assert permits.endpoints == ["GET customer"]


async def test_the_admin_dialect_writes_no_tags_if_the_record_lacks_them(
    admin: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    buyer = CustomerId(shop.create(tags="Khách quen"))
    shop.faults.missing_fields = frozenset({"tags"})

    with pytest.raises(ApiUnavailable, match="without tags"):
        await admin.perform(admin.dialect.add_tags(buyer, ["VIP"]), permits)

    assert shop.tags(buyer) == {"Khách quen"}


@pytest.mark.parametrize("api", [Omni(), Admin()], ids=["omni", "admin"])
class TestInvalidArguments:
    """Refused before a request exists, in both dialects."""

    @pytest.mark.parametrize("tag", ["", "  ", "VIP,Vàng"], ids=["empty", "blank", "comma"])
    def test_a_blank_tag_or_a_comma_is_refused(self, api: Omni | Admin, tag: str) -> None:
        with pytest.raises(Refused, match="a tag cannot be blank, and cannot contain a comma"):
            next(api.add_tags(NOBODY, ["VIP", tag]))

    def test_a_change_without_a_tag_is_refused(self, api: Omni | Admin) -> None:
        with pytest.raises(ValueError, match="no tag to add or to remove"):
            next(api.change_tags(NOBODY))

    def test_a_time_without_a_zone_is_refused(self, api: Omni | Admin) -> None:
        with pytest.raises(Refused, match="updated_at_min needs a time zone"):
            api.page(updated_min=datetime(2026, 1, 2))  # noqa: DTZ001  # what the test is about


def test_a_list_by_no_ids_is_refused() -> None:
    with pytest.raises(Refused, match="ids is blank"):
        Omni().listing(ids=[])


@pytest.mark.parametrize("query", ["", " ", ",,"], ids=["empty", "blank", "commas"])
def test_a_blank_search_is_refused(query: str) -> None:
    with pytest.raises(Refused, match="query is blank"):
        Omni().search(query)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: Omni().orders(NOBODY), "no such call"),
        (lambda: Omni().create({"metafields": []}), "metafields"),
        (lambda: Omni().update(NOBODY, {"metafields": []}), "metafields"),
        (lambda: Admin().groups(), "no customer groups"),
        (lambda: Admin().search("Ánh"), "no search"),
        (lambda: Admin().listing(ids=[NOBODY]), "list by ids"),
    ],
    ids=["omni-orders", "omni-create", "omni-update", "admin-groups", "admin-search", "admin-ids"],
)
def test_a_call_that_the_api_does_not_document_is_refused(call: Callable[[], object], what: str) -> None:
    with pytest.raises(Refused, match=what):
        call()


async def test_fifty_customers_are_read_in_one_call(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    wanted = customers_of(shop, 60)[5:55]

    got = await omni.perform(omni.dialect.by_ids(wanted), permits)

    assert got.ids == frozenset(wanted)
    assert all(not record.missing_keys for record in got.records)
    assert permits.endpoints == ["GET customers"]


@pytest.mark.parametrize("count", [0, 51])
def test_a_batch_has_one_to_fifty_customers(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 50 customers"):
        Omni().by_ids([CustomerId(number) for number in range(1, count + 1)])


async def test_the_admin_dialect_reads_one_by_one_and_leaves_out_missing_customers(
    admin: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    wanted = [*customers_of(shop, 2), NOBODY]

    got = await admin.perform(admin.dialect.by_ids(wanted), permits)

    assert compare(wanted, got).missing == {NOBODY}
    assert permits.endpoints == ["GET customer"] * 3


@pytest.mark.parametrize(
    ("mode", "mismatched", "all_there"),
    [
        ("ok", False, True),
        ("reorder", False, True),
        ("omit", False, False),
        ("extra", False, True),
        ("ignored", True, False),
    ],
)
async def test_a_list_that_ignores_the_requested_ids_is_detected(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits, mode: str, mismatched: bool, all_there: bool
) -> None:
    wanted = customers_of(shop, 200)[150:190]
    shop.faults.ids_mode = mode  # type: ignore[assignment]

    comparison = compare(wanted, await omni.perform(omni.dialect.by_ids(wanted), permits))

    assert (comparison.mismatched, not comparison.missing) == (mismatched, all_there)


async def test_a_listing_is_filtered_as_documented(
    omni: Haravan, sandbox: Sandbox, shop: ShopHandle, permits: RecordingPermits
) -> None:
    old = customers_of(shop, 3)
    sandbox.advance(3600)
    now = datetime.fromtimestamp(sandbox.clock(), UTC)
    new = [CustomerId(shop.create()) for _ in range(3)]

    async def listed(**options: object) -> list[int]:
        customers = await omni.perform(omni.dialect.listing(**options), permits)  # type: ignore[arg-type]
        return [customer["id"] for customer in customers]

    hour = timedelta(hours=1)
    assert await listed(ids=old) == old
    assert await listed(since_id=new[0]) == new[1:]
    assert await listed(created_at_min=now - hour / 2) == new
    assert set(await listed(created_at_max=now - hour / 2)) == set(old)
    assert await listed(updated_at_min=now - hour / 2, limit=1, page=2) == [new[1]]
    assert set(await listed(updated_at_max=now - hour / 2)) == set(old)


@BOTH
async def test_chosen_fields_always_include_the_id(
    connect: Connect, shop: ShopHandle, permits: RecordingPermits, name: DialectName
) -> None:
    haravan = connect(name)
    (buyer,) = customers_of(shop, 1)

    assert set(await haravan.perform(haravan.dialect.show(buyer, fields=["tags"]), permits)) == {"id", "tags"}
    (listed,) = await haravan.perform(haravan.dialect.listing(fields=["tags"]), permits)
    assert set(listed) == {"id", "tags"}
    page = await haravan.perform(haravan.dialect.page(fields=["tags"]), permits)
    assert "total_spent" in page.parse().records[0].missing_keys


async def test_customers_are_searched(omni: Haravan, shop: ShopHandle, permits: RecordingPermits) -> None:
    wanted = shop.create(first_name="Bình", last_name="Trần")
    shop.create(first_name="Ánh")

    customers = await omni.perform(omni.dialect.search("Bình", fields=["first_name"]), permits)

    assert customers == [{"id": wanted, "first_name": "Bình"}]


@BOTH
async def test_customers_are_counted(
    connect: Connect, shop: ShopHandle, permits: RecordingPermits, name: DialectName
) -> None:
    haravan = connect(name)
    customers_of(shop, 123)

    assert await haravan.perform(haravan.dialect.count(), permits) == 123


async def test_groups_are_listed(omni: Haravan, shop: ShopHandle, permits: RecordingPermits) -> None:
    shop.add_group("Khách sỉ")

    groups = await omni.perform(omni.dialect.groups(), permits)

    assert "Khách sỉ" in [group["name"] for group in groups]


async def test_the_admin_dialect_lists_orders(
    admin: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    buyer, other = customers_of(shop, 2)
    order = shop.order(buyer, 750_000)
    shop.order(other, 1)

    orders = await admin.perform(admin.dialect.orders(buyer), permits)

    assert orders[-1]["id"] == order
    assert {order["customer"]["id"] for order in orders} == {buyer}


async def test_the_admin_dialect_writes_metafields(
    admin: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    field = {"key": "new", "value": "newvalue", "value_type": "string", "namespace": "global"}

    made = await admin.perform(admin.dialect.create({**PERSON, "metafields": [field]}), permits)

    assert [metafield.key for metafield in shop.metafields(made["id"])] == ["new"]


async def test_the_shop_of_a_token_is_read(omni: Haravan, permits: RecordingPermits) -> None:
    shop = await omni.perform(omni.dialect.shop(), permits)

    assert shop is not None
    assert str(shop["id"]) == ORG


@pytest.mark.parametrize("status", [403, 404])
async def test_the_shop_is_none_if_the_api_does_not_tell(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits, status: int
) -> None:
    shop.faults.fail(status, endpoint="GET shop")

    assert await omni.perform(omni.dialect.shop(), permits) is None


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_other_failures_of_reading_the_shop_are_raised(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits, status: int
) -> None:
    shop.faults.fail(status, endpoint="GET shop")

    with pytest.raises(HaravanError):
        await omni.perform(omni.dialect.shop(), permits)


async def test_a_creation_that_answers_with_a_list_is_unavailable(
    fake_server: FakeServer, permits: RecordingPermits
) -> None:
    haravan = fake_server(
        lambda request, body: web.json_response({"customers": []})
    )  # as a POST with cookies does

    with pytest.raises(ApiUnavailable, match="not what the API promises"):
        await haravan.perform(haravan.dialect.create(PERSON), permits)


def test_after_a_failed_request_the_next_one_is_not_sent() -> None:
    call = Omni().change_tags(NOBODY, add=["VIP"], remove=["Bạc"])
    next(call)

    with pytest.raises(RequestRejected):
        call.send(Response(422, {}, b"{}"))
    with pytest.raises(StopIteration):
        next(call)
