"""Dead letters, grouped by cause with the likely fix; a person retries them or drops them with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from service.domain.access import Role
from service.domain.customers import CustomerId
from service.errors import NotFound
from service.operations import (
    LetterFilter,
    LetterGroup,
    drop_dead_letters,
    find_letters,
    group_letters,
    retry_dead_letters,
)
from service.store.queue import DeadLetter
from service.store.shops import Shop
from service.web.pages.activity.deliveries import read_customer
from service.web.pages.activity.runs import replay_path
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit

MAX_SHOWN: Final = 50  # letters of a group
MAX_NAMED: Final = 10  # customers in the question before letters are dropped
MAX_REASON: Final = 200
MAX_KEY: Final = 1_000


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group of letters. `hidden` of them are not shown. `replay` leads to a replay of the group at a pace."""

    group: LetterGroup
    shown: tuple[DeadLetter, ...]
    hidden: int
    replay: str


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """All open letters. The largest group is first."""

    path: str
    groups: tuple[GroupRow, ...]
    customers: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class DropPage:
    """The question before letters are dropped: of some customers, or a whole group."""

    path: str
    named: tuple[CustomerId, ...]
    customers: int
    chosen: tuple[CustomerId, ...]
    group: str
    reason: str = ""
    error: str = ""


async def show_dead_letters(visit: Visit) -> View | Redirect:
    """The open letters by cause."""
    return await _show(visit, await visit.context.shops.describe(visit.org))


async def retry_letters(visit: Visit) -> View | Redirect:
    """Evaluate the chosen customers again, a whole group, or all. A success closes their letters."""
    shop = await visit.context.shops.describe(visit.org)
    wanted = LetterFilter() if visit.posted("scope") == "all" else _read_filter(visit, "group")
    if wanted is None:
        return await _show(visit, shop, error=visit.t("letters.choose"))
    retried = await retry_dead_letters(visit.context, shop.org, wanted, by=visit.by)
    return Redirect(_path(shop), _notice("notice.letters_retried", retried))


async def drop_letters(visit: Visit) -> View | Redirect:
    """Ask for a reason, then close the letters. The tags of their customers stay as they are."""
    shop = await visit.context.shops.describe(visit.org)
    wanted, reason = _read_filter(visit, "drop_group"), visit.posted("reason")
    if wanted is None:
        return await _show(visit, shop, error=visit.t("letters.choose"))
    if 0 < len(reason) <= MAX_REASON:
        try:
            dropped = await drop_dead_letters(visit.context, shop.org, wanted, by=visit.by, reason=reason)
        except NotFound:  # a success closed them meanwhile
            dropped = []
        return Redirect(_path(shop), _notice("notice.letters_dropped", dropped))
    letters = await find_letters(visit.context.redis, shop.org, wanted)
    customers = sorted({letter.customer for letter in letters})
    model = DropPage(
        path=_path(shop),
        named=tuple(customers[:MAX_NAMED]),
        customers=len(customers),
        chosen=tuple(sorted(wanted.customers or ())),
        group=wanted.group,
        reason=reason[:MAX_REASON],
        error=visit.t("letters.drop.error") if "reason" in visit.form else "",
    )
    crumbs = (*_crumbs(visit, shop), Crumb(visit.t("letters.title"), _path(shop)))
    title, status = visit.t("letters.drop.title"), 422 if model.error else 200
    return View("activity/drop.html", model, title, crumbs, status=status)


def _read_filter(visit: Visit, group_field: str) -> LetterFilter | None:
    """The letters that were chosen: a group, or customers. What is no id was not chosen on our page."""
    if group := visit.posted(group_field)[:MAX_KEY]:
        return LetterFilter(group=group)
    read = (read_customer(text) for text in visit.posted_all("customer"))
    chosen = frozenset(customer for customer in read if customer is not None)
    return LetterFilter(customers=chosen) if chosen else None


def _notice(key: str, customers: Sequence[CustomerId]) -> Notice:
    """What was done, or that the chosen letters were closed since the page was shown."""
    return Notice(key, {"n": str(len(customers))}) if customers else Notice("notice.letters_gone")


async def _show(visit: Visit, shop: Shop, *, error: str = "") -> View:
    letters = await find_letters(visit.context.redis, shop.org, LetterFilter())
    model = DeadLetterPage(
        path=_path(shop),
        groups=tuple(_row(shop, group) for group in group_letters(letters, words=visit.t)),
        customers=len({letter.customer for letter in letters}),
        error=error,
    )
    status = 422 if error else 200
    return View(
        "activity/dead_letters.html", model, visit.t("letters.title"), _crumbs(visit, shop), status=status
    )


def _row(shop: Shop, group: LetterGroup) -> GroupRow:
    query = urlencode({"source": "dead_letters", "group": group.key})
    hidden = max(0, len(group.letters) - MAX_SHOWN)
    return GroupRow(group, group.letters[:MAX_SHOWN], hidden, f"{replay_path(shop)}?{query}")


def _path(shop: Shop) -> str:
    return f"/shops/{shop.org}/deliveries/dead"


def _crumbs(visit: Visit, shop: Shop) -> tuple[Crumb, ...]:
    path = f"/shops/{shop.org}"
    return Crumb(shop.name, path), Crumb(visit.t("deliveries.title"), f"{path}/deliveries")


PAGES: Final = (
    Page("GET", "/shops/{org}/deliveries/dead", show_dead_letters, Role.VIEWER),
    Page("POST", "/shops/{org}/deliveries/dead/retry", retry_letters, Role.OPS),
    Page("POST", "/shops/{org}/deliveries/dead/drop", drop_letters, Role.OPS),
)
