"""Which customers a list, a count or a search returns: the parameters read, the records chosen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from . import stamps
from .intake import Dialect, Invalid
from .records import Customer
from .search import matching
from .shop import Shop
from .stamps import Stamp

_LIMITS = {"omni": (50, 50), "admin": (50, 250), "webhook": (50, 50)}
_FILTERS = ("ids", "since_id", "created_at_min", "created_at_max", "updated_at_min", "updated_at_max")
_PAGING = {"limit", "page", "fields", "order", "query"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A list request. `blank`: a filter was sent without a value, so Haravan returns arbitrary records."""

    limit: int = 50
    page: int = 1
    ids: tuple[int, ...] | None = None
    since_id: int = 0
    created: tuple[Stamp | None, Stamp | None] = (None, None)
    updated: tuple[Stamp | None, Stamp | None] = (None, None)
    blank: bool = False

    def takes(self, customer: Customer) -> bool:
        return _within(customer.created_at, self.created) and _within(customer.updated_at, self.updated)

    @property
    def unfiltered(self) -> bool:
        return self.created == (None, None) and self.updated == (None, None)


def read(params: Mapping[str, str], dialect: Dialect, shop: Shop) -> Wanted:
    """Read a list's parameters; what is not documented for the dialect is passed over. Raises Invalid for a bad date."""
    limit, most = _LIMITS[dialect]
    known = {
        key: params[key].strip() for key in _FILTERS if key in params and (key != "ids" or dialect == "omni")
    }
    ids = tuple(int(one) for one in known.get("ids", "").split(",") if one.strip().isdigit()) or None
    return Wanted(
        limit=min(number(params.get("limit"), limit), most),
        page=number(params.get("page"), 1),
        ids=ids,
        since_id=number(known.get("since_id"), 0),
        created=(_date(known, "created_at_min", shop), _date(known, "created_at_max", shop)),
        updated=(_date(known, "updated_at_min", shop), _date(known, "updated_at_max", shop)),
        blank="" in known.values(),
    )


def number(text: str | None, otherwise: int) -> int:
    """A positive whole number, or `otherwise` for anything else."""
    return int(text) if text and text.strip().isdigit() and int(text) > 0 else otherwise


def listed(shop: Shop, wanted: Wanted) -> list[Customer]:
    """The page that was asked for, after whatever the shop's switches do to lists."""
    if wanted.blank:
        return _arbitrary(shop, wanted.limit)
    if wanted.ids is not None and shop.faults.ids_mode != "ignored":
        return _disturbed(shop, wanted, list(_page(_by_ids(shop, wanted), wanted)))
    if wanted.unfiltered and not shop.faults.lag_s:
        return _sliced(shop, wanted)
    return list(_page(_by_walk(shop, wanted), wanted))


def counted(shop: Shop, wanted: Wanted) -> int:
    if wanted.ids is None and wanted.unfiltered and not wanted.since_id and not shop.faults.lag_s:
        return len(shop.store)
    chosen = _by_ids(shop, wanted) if wanted.ids is not None else _by_walk(shop, wanted)
    return sum(1 for _ in chosen)


def found(shop: Shop, params: Mapping[str, str], wanted: Wanted) -> list[Customer]:
    """The page of a search: by text, ordered, by default the latest buyers first (Omni seed: search)."""
    if params.get("query", "x").strip() == "" or wanted.blank:
        return _arbitrary(shop, wanted.limit)
    chosen = [one for one in matching(shop, params.get("query")) if wanted.takes(one)]
    return list(_page(_ordered(chosen, params.get("order") or "last_order_date DESC"), wanted))


def _ordered(chosen: list[Customer], order: str) -> list[Customer]:
    """Ordered by the record's field; who lacks a value comes last either way. Raises Invalid for an unknown field."""
    name, _, direction = order.strip().partition(" ")
    if name not in Customer.__struct_fields__ or name in {"addresses", "orders", "tags", "metafields"}:
        raise Invalid({"order": [f"{name} is no field to order by"]})
    having = [one for one in chosen if getattr(one, name) is not None]
    having.sort(key=lambda one: (getattr(one, name), one.id), reverse=direction.strip().lower() == "desc")
    return having + [one for one in chosen if getattr(one, name) is None]


def _by_ids(shop: Shop, wanted: Wanted) -> Iterator[Customer]:
    for customer_id in sorted(set(wanted.ids or ())):
        customer = _seen(shop, customer_id)
        if customer is not None and customer_id > wanted.since_id and wanted.takes(customer):
            yield customer


def _by_walk(shop: Shop, wanted: Wanted) -> Iterator[Customer]:
    ids = _candidates(shop, wanted)
    for place in range(bisect_right(ids, wanted.since_id), len(ids)):
        customer = _seen(shop, ids[place])
        if customer is not None and wanted.takes(customer):
            yield customer


def _sliced(shop: Shop, wanted: Wanted) -> list[Customer]:
    """A page without a filter, however deep, at the cost of its own records."""
    first = shop.store.after(wanted.since_id) + (wanted.page - 1) * wanted.limit
    ids = shop.store.ids[first : first + wanted.limit]
    return [customer for customer in map(shop.store.get, ids) if customer is not None]


def _candidates(shop: Shop, wanted: Wanted) -> list[int]:
    oldest = wanted.updated[0]
    if shop.faults.lag_s:
        return shop.store.ids_as_of(_lagging(shop))
    return shop.store.ids if oldest is None else shop.store.changed_since(oldest)


def _seen(shop: Shop, customer_id: int) -> Customer | None:
    if shop.faults.lag_s:
        return shop.store.as_of(customer_id, _lagging(shop))
    return shop.store.get(customer_id)


def _lagging(shop: Shop) -> Stamp:
    return stamps.from_seconds(shop.clock() - shop.faults.lag_s)


def _page(chosen: Iterable[Customer], wanted: Wanted) -> Iterator[Customer]:
    first = (wanted.page - 1) * wanted.limit
    return islice(chosen, first, first + wanted.limit)


def _disturbed(shop: Shop, wanted: Wanted, chosen: list[Customer]) -> list[Customer]:
    """What `faults.ids_mode` makes of the records that were asked for."""
    mode = shop.faults.ids_mode
    if mode == "omit":
        return chosen[1:]
    if mode == "reorder":
        return chosen[::-1]
    if mode == "extra":
        asked = set(wanted.ids or ())
        return [*chosen, *islice((one for one in shop.store.all() if one.id not in asked), 1)]
    return chosen


def _arbitrary(shop: Shop, limit: int) -> list[Customer]:
    ids = shop.rng.sample(shop.store.ids, min(limit, len(shop.store)))
    return [customer for customer in map(shop.store.get, ids) if customer is not None]


def _within(stamp: Stamp, span: tuple[Stamp | None, Stamp | None]) -> bool:
    return (span[0] is None or stamp >= span[0]) and (span[1] is None or stamp <= span[1])


def _date(known: Mapping[str, str], key: str, shop: Shop) -> Stamp | None:
    if not known.get(key):
        return None
    try:
        return stamps.parse(known[key], shop.zone)
    except ValueError as exc:
        raise Invalid({key: ["is not a date (a + in a URL must be sent as %2B)"]}) from exc
