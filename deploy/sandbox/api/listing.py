"""The customers that a list, a count or a search returns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from deploy.sandbox.errors import ValidationError
from deploy.sandbox.records import Customer, Dialect, Stamp, timestamps
from deploy.sandbox.shop import Shop, find_matching

MAX_DIGITS = 18
_LIMITS = {"omni": (50, 50), "admin": (50, 250), "webhook": (50, 50)}
_FILTERS = ("ids", "since_id", "created_at_min", "created_at_max", "updated_at_min", "updated_at_max")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The parameters of a list. `blank`: a filter was sent without a value, so Haravan returns arbitrary records."""

    limit: int = 50
    page: int = 1
    ids: tuple[int, ...] | None = None
    since_id: int = 0
    created: tuple[Stamp | None, Stamp | None] = (None, None)
    updated: tuple[Stamp | None, Stamp | None] = (None, None)
    blank: bool = False

    def matches(self, customer: Customer) -> bool:
        return _within(customer.created_at, self.created) and _within(customer.updated_at, self.updated)

    @property
    def unfiltered(self) -> bool:
        return self.created == (None, None) and self.updated == (None, None)


def parse_query(params: Mapping[str, str], dialect: Dialect, shop: Shop) -> ListQuery:
    """Parse the parameters of a list. Those that the dialect does not document are ignored.

    Raises ValidationError for a bad date.
    """
    limit, max_limit = _LIMITS[dialect]
    known = {
        key: params[key].strip() for key in _FILTERS if key in params and (key != "ids" or dialect == "omni")
    }
    ids = tuple(number for part in known.get("ids", "").split(",") if (number := positive_int(part, 0)))
    return ListQuery(
        limit=min(positive_int(params.get("limit"), limit), max_limit),
        page=positive_int(params.get("page"), 1),
        ids=ids or None,
        since_id=positive_int(known.get("since_id"), 0),
        created=(_date(known, "created_at_min", shop), _date(known, "created_at_max", shop)),
        updated=(_date(known, "updated_at_min", shop), _date(known, "updated_at_max", shop)),
        blank="" in known.values(),
    )


def positive_int(text: str | None, default: int) -> int:
    """A positive whole number, or `default` for any other text."""
    digits = (text or "").strip()
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS
    return int(digits) or default if is_number else default


def list_customers(shop: Shop, query: ListQuery) -> list[Customer]:
    """The requested page, with the shop's list faults applied."""
    if query.blank:
        return _random_page(shop, query.limit)
    if query.ids is not None and shop.faults.ids_mode != "ignored":
        return _apply_ids_mode(shop, query, list(_page(_by_ids(shop, query), query)))
    if query.unfiltered and not shop.faults.lag_s:
        return _slice(shop, query)
    return list(_page(_scan(shop, query), query))


def count_customers(shop: Shop, query: ListQuery) -> int:
    if query.ids is None and query.unfiltered and not query.since_id and not shop.faults.lag_s:
        return len(shop.store)
    found = _by_ids(shop, query) if query.ids is not None else _scan(shop, query)
    return sum(1 for _ in found)


def search_customers(shop: Shop, params: Mapping[str, str], query: ListQuery) -> list[Customer]:
    """One page of a text search (`query`, or `q` as some clients call it). Default order: latest order first (Omni seed)."""
    text = params.get("query", params.get("q"))
    if (text is not None and not text.strip()) or query.blank:
        return _random_page(shop, query.limit)
    found = [customer for customer in find_matching(shop, text) if query.matches(customer)]
    return list(_page(_sort(found, params.get("order") or "last_order_date DESC"), query))


def _sort(found: list[Customer], order: str) -> list[Customer]:
    """Sort by a field of the record; records without a value come last. Raises ValidationError for an unknown field."""
    name, _, direction = order.strip().partition(" ")
    if name not in Customer.__struct_fields__ or name in {"addresses", "orders", "tags", "metafields"}:
        raise ValidationError({"order": [f"cannot order by {name}"]})
    having = [customer for customer in found if getattr(customer, name) is not None]
    having.sort(
        key=lambda customer: (getattr(customer, name), customer.id),
        reverse=direction.strip().lower() == "desc",
    )
    return having + [customer for customer in found if getattr(customer, name) is None]


def _by_ids(shop: Shop, query: ListQuery) -> Iterator[Customer]:
    for customer_id in sorted(set(query.ids or ())):
        customer = _visible(shop, customer_id)
        if customer is not None and customer_id > query.since_id and query.matches(customer):
            yield customer


def _scan(shop: Shop, query: ListQuery) -> Iterator[Customer]:
    ids = _candidates(shop, query)
    for index in range(bisect_right(ids, query.since_id), len(ids)):
        customer = _visible(shop, ids[index])
        if customer is not None and query.matches(customer):
            yield customer


def _slice(shop: Shop, query: ListQuery) -> list[Customer]:
    """One page without a filter. Costs only the records of the page, at any depth."""
    first = shop.store.after(query.since_id) + (query.page - 1) * query.limit
    ids = shop.store.ids[first : first + query.limit]
    return [customer for customer in map(shop.store.get, ids) if customer is not None]


def _candidates(shop: Shop, query: ListQuery) -> list[int]:
    oldest = query.updated[0]
    if shop.faults.lag_s:
        return shop.store.ids_as_of(_lagged_time(shop))
    return shop.store.ids if oldest is None else shop.store.changed_since(oldest)


def _visible(shop: Shop, customer_id: int) -> Customer | None:
    if shop.faults.lag_s:
        return shop.store.as_of(customer_id, _lagged_time(shop))
    return shop.store.get(customer_id)


def _lagged_time(shop: Shop) -> Stamp:
    return timestamps.from_seconds(shop.clock() - shop.faults.lag_s)


def _page(found: Iterable[Customer], query: ListQuery) -> Iterator[Customer]:
    first = (query.page - 1) * query.limit
    return islice(found, first, first + query.limit)


def _apply_ids_mode(shop: Shop, query: ListQuery, found: list[Customer]) -> list[Customer]:
    """The requested records, changed as `faults.ids_mode` says."""
    mode = shop.faults.ids_mode
    if mode == "omit":
        return found[1:]
    if mode == "reorder":
        return found[::-1]
    if mode == "extra":
        requested = set(query.ids or ())
        return [
            *found,
            *islice((customer for customer in shop.store.all() if customer.id not in requested), 1),
        ]
    return found


def _random_page(shop: Shop, limit: int) -> list[Customer]:
    ids = shop.rng.sample(shop.store.ids, min(limit, len(shop.store)))
    return [customer for customer in map(shop.store.get, ids) if customer is not None]


def _within(stamp: Stamp, span: tuple[Stamp | None, Stamp | None]) -> bool:
    return (span[0] is None or stamp >= span[0]) and (span[1] is None or stamp <= span[1])


def _date(known: Mapping[str, str], key: str, shop: Shop) -> Stamp | None:
    if not known.get(key):
        return None
    try:
        return timestamps.parse(known[key], shop.zone)
    except ValueError as exc:
        raise ValidationError({key: ["is not a date (a + in a URL must be sent as %2B)"]}) from exc
