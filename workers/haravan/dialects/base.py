"""The calls that both APIs share, and how query parameters are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from service.domain.customers import CustomerId, CustomerRecord
from service.errors import (
    AccessDenied,
    ApiUnavailable,
    CustomerNotFound,
    Refused,
    RequestRejected,
    TokenRejected,
)
from service.sentence import Sentence
from workers.haravan import decoding
from workers.haravan.calls import Call, Request
from workers.haravan.decoding import Raw, RawBatch
from workers.haravan.errors import parse_response, single_request

PAGE_SIZE: Final = 50  # Omni never returns more, whatever the limit (haravan.md, API)
NOBODY: Final = CustomerId(0)  # ids of customers are positive
ParamValue = str | int | datetime | Sequence[str] | Sequence[int] | None


class BaseDialect:
    """Calls as generators: they yield requests and decode responses, and do no I/O.

    Calls for workers return Records; calls for people (`show`, `listing`, `search`, …) return the JSON as sent.
    """

    def get(self, customer: CustomerId) -> Call[CustomerRecord]:
        """One full record. Raises CustomerNotFound, and MalformedData if the record is malformed."""
        return single_request(get_one(customer), decoding.decode_record)

    def show(self, customer: CustomerId, *, fields: Sequence[str] | None = None) -> Call[Raw]:
        """One customer as sent, with all or only these fields."""
        return single_request(get_one(customer, fields), decoding.decode_raw_customer)

    def page(
        self,
        since_id: int = 0,
        *,
        limit: int = PAGE_SIZE,
        updated_min: datetime | None = None,
        fields: Sequence[str] | None = None,
    ) -> Call[RawBatch]:
        """The next customers by id, not yet parsed. Full records unless `fields` is given. Only an empty page is the last."""
        query = query_params(
            since_id=since_id, limit=min(limit, PAGE_SIZE), updated_at_min=updated_min, fields=with_id(fields)
        )
        return single_request(get_list(query), decoding.decode_raw_batch)

    def count(self) -> Call[int]:
        return single_request(Request("GET count", "/customers/count.json"), decoding.decode_count)

    def create(self, fields: Mapping[str, object]) -> Call[Raw]:
        """Create a customer and return it as sent. Raises RequestRejected, for example for a duplicate e-mail or no name."""
        return single_request(
            Request("POST customers", "/customers.json", json={"customer": dict(fields)}),
            decoding.decode_raw_customer,
        )

    def check_write(self) -> Call[None]:
        """Whether the token may write: it sends a write of a customer that cannot exist, which changes nothing.

        Raises TokenRejected if it may not. Haravan documents no way to ask for the scopes of a token.
        """
        request = self.write_of(NOBODY)
        response = yield request
        try:
            parse_response(request, response, decoding.ignore_body)
        except AccessDenied as exc:
            raise TokenRejected(exc.message, status=exc.status, scope=exc.scope) from exc
        except (CustomerNotFound, RequestRejected):
            return

    def write_of(self, customer: CustomerId) -> Request:
        """A request that writes tags as this dialect does."""
        raise NotImplementedError

    def shop(self) -> Call[Raw | None]:
        """The shop that the token belongs to, or None if the API does not tell.

        Neither seed documents it. A token without the scope gets 403, an API without the endpoint 404.
        """
        request = Request("GET shop", "/shop.json")
        response = yield request
        try:
            return parse_response(request, response, decoding.decode_shop)
        except TokenRejected as exc:
            if exc.status == 401:
                raise
        except ApiUnavailable as exc:
            if exc.status != 404:
                raise
        return None


def get_one(customer: CustomerId, fields: Sequence[str] | None = None) -> Request:
    """GET one customer, with all or only some fields."""
    query = query_params(fields=with_id(fields))
    return Request("GET customer", f"/customers/{customer}.json", query, customer=customer)


def get_list(query: Mapping[str, str]) -> Request:
    """GET a list of customers."""
    return Request("GET customers", "/customers.json", query)


def put_one(customer: CustomerId, fields: Mapping[str, object]) -> Request:
    """PUT one customer."""
    path = f"/customers/{customer}.json"
    return Request("PUT customer", path, json={"customer": dict(fields)}, customer=customer)


def delete_one(customer: CustomerId, *, json: object | None = None) -> Request:
    """DELETE one customer."""
    return Request("DELETE customer", f"/customers/{customer}.json", json=json, customer=customer)


def query_params(**values: ParamValue) -> dict[str, str]:
    """Query parameters as strings, without those that are None.

    Raises Refused for a blank value: Haravan would return arbitrary customers (haravan.md, API).
    """
    return {name: _format_param(name, value) for name, value in values.items() if value is not None}


def with_id(fields: Sequence[str] | None) -> Sequence[str] | None:
    """`fields` and the id, without which a record cannot be assigned to a customer."""
    return fields if fields is None or "id" in fields else ("id", *fields)


def checked_tags(tags: Sequence[str]) -> Sequence[str]:
    """Return the tags. Raises Refused for a blank tag or a comma: the API takes one comma-separated string."""
    for tag in tags:
        if not tag.strip() or "," in tag:
            raise Refused(Sentence("a tag cannot be blank, and cannot contain a comma"))
    return tags


def _format_param(name: str, value: ParamValue) -> str:
    text = _format_datetime(name, value) if isinstance(value, datetime) else _format_text(value)
    if not text.strip(", "):
        raise Refused(Sentence("{name} is blank; Haravan would return arbitrary customers", name=name))
    return text


def _format_text(value: ParamValue) -> str:
    if isinstance(value, str | int):
        return str(value)
    return ",".join(map(str, value)) if isinstance(value, Sequence) else ""


def _format_datetime(name: str, value: datetime) -> str:
    if value.tzinfo is None:
        raise Refused(Sentence("{name} needs a time zone: the shop's and ours may differ", name=name))
    return value.isoformat(timespec="seconds")
