"""Every example of the two API documents: our request equals it, and its response is decoded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from service.domain.customers.customer import CustomerId
from service.domain.customers.records import CustomerRecord
from service.errors import ApiUnavailable, RequestRejected
from workers.haravan.calls import Call, Request, Response
from workers.haravan.dialects import DialectName, make_dialect
from workers.haravan.dialects.admin import Admin
from workers.haravan.dialects.omni import Omni

SEEDS = Path(__file__).parents[2] / "payloads" / "seeds"
EXAMPLES: Mapping[str, dict[str, Any]] = {
    example["name"]: example for example in json.loads((SEEDS / "examples.json").read_text())
}
DEMO, STEVE, BOB = CustomerId(1037889951), CustomerId(1050764416), CustomerId(207119551)


def sent(name: str) -> dict[str, Any]:
    """The customer fields that the example sends."""
    fields: dict[str, Any] = EXAMPLES[name]["request"]["customer"]
    return {key: value for key, value in fields.items() if key != "id"}


OMNI: Mapping[str, Callable[[Omni], Call[Any]]] = {
    "omni-list-page": lambda api: api.listing(page=1, limit=1),
    "omni-list-updated-at-max": lambda api: api.listing(updated_at_max=datetime(2020, 10, 23, tzinfo=UTC)),
    "omni-search": lambda api: api.search("haravan"),
    "omni-count": lambda api: api.count(),
    "omni-get": lambda api: api.show(DEMO),
    "omni-create": lambda api: api.create(sent("omni-create")),
    "omni-create-invite": lambda api: api.create(sent("omni-create-invite")),
    "omni-create-password": lambda api: api.create(sent("omni-create-password")),
    "omni-create-address": lambda api: api.create(sent("omni-create-address")),
    "omni-update": lambda api: api.update(STEVE, sent("omni-update")),
    "omni-delete": lambda api: api.delete(STEVE),
    "omni-add-tags": lambda api: api.add_tags(STEVE, ["a1", "a2"]),
    "omni-delete-tags": lambda api: api.remove_tags(STEVE, ["a1", "a2"]),
    "omni-groups": lambda api: api.groups(),
}
ADMIN: Mapping[str, Callable[[Admin], Call[Any]]] = {
    "admin-list": lambda api: api.listing(),
    "admin-list-since-id": lambda api: api.listing(since_id=BOB),
    "admin-list-updated-at-min": lambda api: api.listing(
        updated_at_min=datetime(2015, 3, 27, 17, 28, 36, tzinfo=UTC)
    ),
    "admin-get": lambda api: api.show(BOB),
    "admin-create": lambda api: api.create(sent("admin-create")),
    "admin-create-nameless": lambda api: api.create(sent("admin-create-nameless")),
    "admin-create-metafield": lambda api: api.create(sent("admin-create-metafield")),
    "admin-create-invite": lambda api: api.create(sent("admin-create-invite")),
    "admin-create-password": lambda api: api.create(sent("admin-create-password")),
    "admin-update": lambda api: api.update(BOB, sent("admin-update")),
    "admin-update-metafield": lambda api: api.update(BOB, sent("admin-update-metafield")),
    "admin-delete": lambda api: api.delete(BOB),
    "admin-count": lambda api: api.count(),
    "admin-orders": lambda api: api.orders(BOB),
}
WITH_VALUE = [name for name in (*OMNI, *ADMIN) if name not in {"omni-count", "admin-create-nameless"}]


def call_of(name: str) -> Call[Any]:
    if name in OMNI:
        return OMNI[name](Omni())
    return ADMIN[name](Admin())


def run(call: Call[Any], *responses: Response) -> tuple[list[Request], Any]:
    """Run a call with recorded responses. Returns its requests and its value."""
    requests = [next(call)]
    for response in responses:
        try:
            requests.append(call.send(response))
        except StopIteration as stop:
            return requests, stop.value
    raise AssertionError(f"the call sends another request: {requests[-1]}")


def recorded(name: str) -> Response:
    example = EXAMPLES[name]
    body = (SEEDS / f"{name}.json").read_bytes() if example["answer"] else b""
    return Response(example["status"], {"X-Haravan-Api-Call-Limit": "1/80"}, body)


def test_every_example_of_the_documents_is_tested() -> None:
    assert {*OMNI, *ADMIN} == set(EXAMPLES)


@pytest.mark.parametrize("name", [*OMNI, *ADMIN])
def test_the_request_equals_the_example(name: str) -> None:
    example = EXAMPLES[name]
    requests = next(call_of(name))

    path = urlsplit(example["path"])
    assert (requests.method, requests.path) == (example["method"], "/" + path.path.split("/", 2)[2])
    assert requests.json == example["request"]
    assert {key: moment(value) for key, value in requests.query.items()} == {
        key: moment(value) for key, value in parse_qsl(path.query)
    }


def moment(value: str) -> object:
    """Dates are sent with an explicit offset, whatever the example does."""
    try:
        read = datetime.fromisoformat(value) if len(value) > 9 and "-" in value else None
    except ValueError:
        read = None
    return value if read is None else read.replace(tzinfo=read.tzinfo or UTC)


@pytest.mark.parametrize("name", WITH_VALUE)
def test_the_response_of_the_example_is_decoded(name: str) -> None:
    _, value = run(call_of(name), recorded(name))

    content = json.loads((SEEDS / f"{name}.json").read_bytes(), parse_float=Decimal)
    wanted: Any = next(iter(content.values()), None) if content else None
    if name in {"omni-add-tags", "omni-delete-tags"}:
        assert value == tuple(wanted.split(","))
    else:
        assert value == wanted


def test_a_count_with_an_empty_body_as_in_the_omni_document_is_unavailable() -> None:
    with pytest.raises(ApiUnavailable, match="not what the API promises"):
        run(call_of("omni-count"), recorded("omni-count"))


def test_a_customer_without_a_name_is_rejected_with_the_reason() -> None:
    with pytest.raises(RequestRejected, match=r"POST customers answered 422 \(base\)") as caught:
        run(call_of("admin-create-nameless"), recorded("admin-create-nameless"))

    assert caught.value.status == 422
    assert caught.value.response_text == "base: Customer must have a name or email address"


@pytest.mark.parametrize(
    ("dialect", "name", "spent", "state"),
    [
        pytest.param("omni", "omni-get", 261_380_000_0000, "disabled", id="omni"),
        pytest.param("admin", "admin-get", 41_9400, "disabled", id="admin"),
    ],
)
def test_customers_of_both_documents_are_read_as_records(
    dialect: DialectName, name: str, spent: int, state: str
) -> None:
    record: CustomerRecord
    _, record = run(make_dialect(dialect).get(DEMO), recorded(name))

    assert (record.customer.total_spent, record.customer.state, record.customer.tags) == (spent, state, ())


@pytest.mark.parametrize(
    ("dialect", "name"), [("omni", "omni-list-page"), ("admin", "admin-list-since-id")], ids=["omni", "admin"]
)
def test_lists_of_both_documents_are_read_as_records(dialect: DialectName, name: str) -> None:
    _, page = run(make_dialect(dialect).page(), recorded(name))
    batch = page.parse()

    assert [len(batch.records), len(batch.unreadable)] == [1, 0]
