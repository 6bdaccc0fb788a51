"""A customer: why it has a tag or not, on which day that changes, and what happened so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.domain.access import Role
from service.domain.customers import CustomerId
from service.domain.documents import InvalidRules
from service.errors import NotFound
from service.operations import Selection, count_replay, format_dead_letter, search, start_replay
from service.sentence import Sentence
from service.store import working_copies
from service.store.queue import dead_letters, dirty
from service.store.shops import Shop
from service.web.pages.customers.explanation import CustomerPage, load_customer_page
from service.web.pages.customers.search import parse_id
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit, parse_count, parse_day

DRAFT: Final = "draft"  # in the place of a version
MAX_ENTRY: Final = 40  # characters of the id of a ledger entry


@dataclass(frozen=True, slots=True)
class ExplainPage:
    """The customer with what the page was asked for. `is_live`: the live rules, today. `version`: as `v` of the address."""

    customer: CustomerId
    path: str
    page: CustomerPage
    day: str
    version: str
    versions: tuple[tuple[str, str], ...]
    is_live: bool
    is_draft: bool  # the page explains by the draft of the rules
    is_draft_wrong: bool  # the draft has errors, so the page explains by the live rules
    rules_path: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class UnreadPage:
    """A customer that was never read. `reason` is a key."""

    customer: CustomerId
    path: str
    reason: str
    letters: tuple[str, ...]
    org: str


async def show_customer(visit: Visit) -> View | Redirect:
    """Explain the customer by the live rules for today, by another version or the draft, or for another day.

    `entry` names an entry of the ledger: then the page says what was decided at that moment, too.
    """
    shop, customer = await shop_and_customer(visit)
    if not await search.is_known(visit.context, shop.org, customer):
        return await _unread(visit, shop, customer)
    query = visit.query
    wanted, on = query.get("on", "").strip(), parse_day(query.get("on", ""))
    is_draft = query.get("v") == DRAFT
    number = 0 if is_draft else parse_count(query.get("v", "")) or 0

    async def load(*, is_draft: bool) -> CustomerPage:
        return await visit.cpu.run(
            load_customer_page,
            shop.org,
            customer,
            language=visit.language,
            personal=visit.may("marketer"),
            on=on,
            version=number,
            is_draft=is_draft,
            entry=query.get("entry", "")[:MAX_ENTRY],
        )

    is_draft_wrong = False
    try:
        page = await load(is_draft=is_draft)
    except InvalidRules:
        is_draft, is_draft_wrong, page = False, True, await load(is_draft=False)
    live = await visit.context.versions.live_number(shop.org)
    path = customer_path(shop, customer)
    model = ExplainPage(
        customer=customer,
        path=path,
        page=page,
        day=f"{on:%d/%m/%Y}" if on else wanted[:20],
        version=DRAFT if is_draft else str(number) if number and number != live else "",
        versions=await _versions(visit, shop, live),
        is_live=on is None and number in (0, live) and not is_draft,
        is_draft=is_draft,
        is_draft_wrong=is_draft_wrong,
        rules_path=f"/shops/{shop.org}/rules",
        error=visit.t("customers.day.error") if wanted and on is None else "",
    )
    title = page.name or f"#{customer}"
    return View("customers/customer.html", model, title, crumbs(visit, shop))


async def read_customer(visit: Visit) -> View | Redirect:
    """Read the customer again from Haravan: a worker does that, and writes what differs."""
    shop, customer = await shop_and_customer(visit)
    reason = visit.t("customers.read.reason")
    counted = await count_replay(visit.context, shop.org, Selection(customers=(customer,)), by=visit.by)
    run = await start_replay(visit.context, shop.org, counted.id, by=visit.by, reason=reason)
    return Redirect(customer_path(shop, customer), Notice("notice.customer_queued", {"run": run.id}))


async def shop_and_customer(visit: Visit) -> tuple[Shop, CustomerId]:
    """What the path names. Raises NotFound."""
    shop = await visit.context.shops.describe(visit.org)
    customer = parse_id(visit.path["customer"])
    if customer is None:
        raise NotFound(Sentence("a customer's id is a positive 64-bit number"))
    return shop, customer


def customer_path(shop: Shop, customer: CustomerId) -> str:
    """The address of a customer."""
    return f"/shops/{shop.org}/customers/{customer}"


def crumbs(visit: Visit, shop: Shop) -> tuple[Crumb, ...]:
    """The way to a customer."""
    path = f"/shops/{shop.org}"
    return Crumb(shop.name, path), Crumb(visit.t("section.customers"), f"{path}/customers")


async def _unread(visit: Visit, shop: Shop, customer: CustomerId) -> View:
    """Say why there is nothing to explain, and what to do."""
    redis = visit.context.redis
    letters = await dead_letters.for_customer(redis, shop.org, customer)
    if letters:
        reason = "letters"
    elif shop.paused:
        reason = "paused"
    elif await dirty.marked_among(redis, shop.org, [customer]):
        reason = "waiting"
    else:
        reason = "first_look" if shop.first_look == "pending" else "never"
    texts = tuple(format_dead_letter(letter, words=visit.t) for letter in letters)
    model = UnreadPage(customer, customer_path(shop, customer), reason, texts, shop.org)
    return View("customers/unread.html", model, f"#{customer}", crumbs(visit, shop))


async def _versions(visit: Visit, shop: Shop, live: int) -> tuple[tuple[str, str], ...]:
    history = await visit.context.versions.history(shop.org)
    numbers = sorted((each.number for each in history if each.number != live), reverse=True)
    has_draft = await working_copies.load(visit.context.redis, shop.org) is not None
    return (
        ("", visit.t("customers.live_version", version=live)),
        *(((DRAFT, visit.t("customers.draft")),) if has_draft else ()),
        *((str(number), f"v{number}") for number in numbers),
    )


PAGES: Final = (
    Page("GET", "/shops/{org}/customers/{customer}", show_customer, Role.VIEWER),
    Page("POST", "/shops/{org}/customers/{customer}/read", read_customer, Role.OPS),
)
