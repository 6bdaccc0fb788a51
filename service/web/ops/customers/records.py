"""Customers as they were read last: search and show, with personal data masked. Haravan is not asked.

Names are shown from marketers on. E-mail and phone are masked for everybody, other personal data is left out.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId, mask_email, mask_name, mask_phone
from service.errors import NotFound
from service.operations import load_record, search
from service.sentence import Sentence
from service.store.customers import PERSONAL_KEYS
from service.web.ops.contract import (
    CUSTOMER_PATH,
    SHOP_PATH,
    Endpoint,
    Request,
    RequestModel,
    ResponseModel,
)


class SearchRequest(RequestModel, frozen=True):
    """A tag, or from marketers on a part of a name, e-mail address or phone number. It is no part of any log."""

    text: Annotated[str, Meta(min_length=search.MIN_TEXT, max_length=100)]


class FoundModel(ResponseModel, frozen=True):
    """A customer that matches."""

    customer: int
    name: str
    email: str
    phone: str
    tags: list[str]


class SearchResponse(ResponseModel, frozen=True):
    """At most 50 customers by id. `searched` were looked at."""

    customers: list[FoundModel]
    searched: int
    has_more: Annotated[bool, Meta(description="More than 50 match: search for more of the text")]


class RecordResponse(ResponseModel, frozen=True):
    """The fields of a customer that are stored, as they were read last."""

    customer: int
    record: dict[str, Any]


async def search_customers(context: Context, request: Request) -> SearchResponse:
    """Find customers by tag, name, e-mail or phone. It is a POST, because addresses are logged and bodies are not."""
    body: SearchRequest = request.model
    personal = request.by.role.includes(Role.MARKETER)
    found = await search.find_customers(context, request.org, body.text, personal=personal)
    return SearchResponse(
        [
            FoundModel(
                customer=each.id,
                name=each.name if personal else mask_name(each.name),
                email=mask_email(each.email) if personal else "",
                phone=mask_phone(each.phone) if personal else "",
                tags=[*each.tags],
            )
            for each in found.customers
        ],
        found.searched,
        found.has_more,
    )


async def show_customer(context: Context, request: Request) -> RecordResponse:
    """The stored record of a customer, masked. `…/personal-data` exports everything, unmasked."""
    shop = await context.shops.get_or_raise(request.org)
    customer = CustomerId(request.path["customer"])
    record = await load_record(context, shop, customer)
    if record is None:
        raise NotFound(Sentence("customer {customer} was never read", customer=customer))
    personal = request.by.role.includes(Role.MARKETER)
    return RecordResponse(customer, _masked(record, personal=personal))


def _masked(record: dict[str, Any], *, personal: bool) -> dict[str, Any]:
    shown = {name: value for name, value in record.items() if name not in PERSONAL_KEYS}
    for name in ("last_name", "first_name"):
        if name in record:
            shown[name] = record[name] if personal else mask_name(record[name])
    for name, mask in (("email", mask_email), ("phone", mask_phone)):
        if personal and name in record:
            shown[name] = mask(record[name])
    return shown


RECORD_EXAMPLE: Final[dict[str, Any]] = {
    "customer": 1037889951,
    "record": {"id": 1037889951, "total_spent": 9660000, "tags": ["Khách sỉ"], "first_name": "An"},
}
ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{SHOP_PATH}/customers/search",
        search_customers,
        SearchResponse,
        {
            "customers": [
                {
                    "customer": 1037889951,
                    "name": "Lê An",
                    "email": "a•••@example.com",
                    "phone": "•••345",
                    "tags": ["Khách sỉ"],
                }
            ],
            "searched": 100000,
            "has_more": False,
        },
        SearchRequest,
        {"a name": {"text": "le an"}, "a tag": {"text": "Khách sỉ"}},
        cpu_bound=True,
        is_read_only=True,
        role=Role.VIEWER,
    ),
    Endpoint(
        "GET",
        f"{CUSTOMER_PATH}/record",
        show_customer,
        RecordResponse,
        RECORD_EXAMPLE,
        cpu_bound=True,
        role=Role.VIEWER,
    ),
)
