"""Customer search: an id leads to the customer, other texts list those that match."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from service.domain.access import Role
from service.domain.customers import CustomerId, mask_email, mask_name, mask_phone, parse_customer_id
from service.errors import MalformedData
from service.operations import search
from service.store.history import LedgerRow, ledger
from service.store.shops import Shop
from service.web.pages.shell import Crumb, Page, Redirect, Section, View, Visit

MAX_TEXT: Final = 100
RECENT: Final = 10


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer that matches, masked for the visitor."""

    id: CustomerId
    name: str
    contact: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """The search and its result. `rows` is None before a search; then `recent` has the last changes."""

    path: str
    text: str
    personal: bool
    error: str = ""
    rows: tuple[CustomerRow, ...] | None = None
    searched: int = 0
    has_more: bool = False
    recent: tuple[LedgerRow, ...] = ()
    unknown: CustomerId | None = None  # the text may be an id that was never read, or a phone number


async def show_search(visit: Visit) -> View | Redirect:
    """The search, and the customers whose tags changed last."""
    shop = await visit.context.shops.describe(visit.org)
    recent = await ledger.list_newest(visit.context.redis, shop.org, limit=RECENT)
    return _view(
        visit, shop, SearchPage(_path(shop), "", personal=visit.may("marketer"), recent=tuple(recent))
    )


async def find_customer(visit: Visit) -> View | Redirect:
    """Search. It is posted, because addresses with names or phone numbers would stand in logs and histories.

    The id of a known customer leads to that customer.
    """
    shop = await visit.context.shops.describe(visit.org)
    text, personal = visit.posted("q"), visit.may("marketer")
    customer = parse_id(text)
    if customer is not None and await search.is_known(visit.context, shop.org, customer):
        return Redirect(f"{_path(shop)}/{customer}")
    if not search.MIN_TEXT <= len(text) <= MAX_TEXT:
        error = visit.t("customers.search.length", least=search.MIN_TEXT, most=MAX_TEXT)
        return _view(visit, shop, SearchPage(_path(shop), text[:MAX_TEXT], personal, error), status=422)
    found = await visit.cpu.run(search.find_customers, shop.org, text, personal=personal)
    rows = tuple(_row(each, personal=personal) for each in found.customers)
    model = SearchPage(_path(shop), text, personal, "", rows, found.searched, found.has_more)
    return _view(visit, shop, replace(model, unknown=customer))


def parse_id(text: str) -> CustomerId | None:
    """The id in a text such as `#1037889951`, or None. A phone number begins with 0 and is none."""
    if text.startswith("0"):
        return None
    try:
        return parse_customer_id(text.removeprefix("#"))
    except MalformedData:
        return None


def _path(shop: Shop) -> str:
    return f"/shops/{shop.org}/customers"


def _view(visit: Visit, shop: Shop, model: SearchPage, *, status: int = 200) -> View:
    crumbs = (Crumb(shop.name, f"/shops/{shop.org}"),)
    return View("customers/search.html", model, visit.t("section.customers"), crumbs, status=status)


def _row(found: search.FoundCustomer, *, personal: bool) -> CustomerRow:
    contact = " · ".join(filter(None, (mask_phone(found.phone), mask_email(found.email)))) if personal else ""
    return CustomerRow(found.id, found.name if personal else mask_name(found.name), contact, found.tags)


SECTIONS: Final = (Section("customers", "/shops/{org}/customers"),)
PAGES: Final = (
    Page("GET", "/shops/{org}/customers", show_search, Role.VIEWER),
    Page("POST", "/shops/{org}/customers", find_customer, Role.VIEWER),
)
