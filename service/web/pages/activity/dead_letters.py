"""Dead letters, grouped by cause with the likely fix; a person retries them or drops them with a reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from service.domain.access import Role
from service.domain.customers import CustomerId
from service.domain.explain import Translator
from service.errors import NotFound
from service.operations import discard_dead_letters, format_dead_letter, retry_dead_letters
from service.store.queue import DeadLetter, list_open
from service.store.shops import Shop
from service.web.pages.activity.deliveries import read_customer
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit

MAX_SHOWN: Final = 50  # letters of a group
MAX_DROPPED: Final = 1_000
MAX_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class Group:
    """Letters with the same cause and text. `key` names the group in a form."""

    key: str
    text: str
    fix: str
    letters: tuple[DeadLetter, ...]
    customers: int
    last_ms: int
    is_transient: bool

    @property
    def hidden(self) -> int:
        """Letters that are not shown."""
        return self.customers - len(self.letters)


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """All open letters. The largest group is first."""

    path: str
    groups: tuple[Group, ...]
    customers: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class DropPage:
    """The question before letters are dropped."""

    path: str
    customers: tuple[CustomerId, ...]
    reason: str = ""
    error: str = ""


async def show_dead_letters(visit: Visit) -> View | Redirect:
    """The open letters by cause."""
    return await _show(visit, await visit.context.shops.describe(visit.org))


async def retry_letters(visit: Visit) -> View | Redirect:
    """Evaluate the chosen customers again, a whole group, or all. A success closes their letters."""
    shop = await visit.context.shops.describe(visit.org)
    scope, key = visit.posted("scope"), visit.posted("group")
    if scope == "all":
        chosen = None
    elif key:
        letters = await list_open(visit.context.redis, shop.org)
        chosen = [letter.customer for letter in letters if group_key(letter) == key]
    else:
        chosen = _customers(visit)
        if not chosen:
            return await _show(visit, shop, error=visit.t("letters.choose"))
    retried = await retry_dead_letters(visit.context, shop.org, customers=chosen, by=visit.by)
    return Redirect(_path(shop), Notice("notice.letters_retried", {"n": str(len(retried))}))


async def drop_letters(visit: Visit) -> View | Redirect:
    """Ask for a reason, then close the letters of the chosen customers. Their tags stay as they are."""
    shop = await visit.context.shops.describe(visit.org)
    customers, reason = _customers(visit)[:MAX_DROPPED], visit.posted("reason")
    if not customers:
        return await _show(visit, shop, error=visit.t("letters.choose"))
    if not 0 < len(reason) <= MAX_REASON:
        error = visit.t("letters.drop.error") if "reason" in visit.form else ""
        model = DropPage(_path(shop), tuple(customers), reason[:MAX_REASON], error)
        crumbs = (*_crumbs(visit, shop), Crumb(visit.t("letters.title"), _path(shop)))
        title = visit.t("letters.drop.title")
        return View("activity/drop.html", model, title, crumbs, status=422 if error else 200)
    dropped = 0
    for customer in customers:
        try:
            await discard_dead_letters(visit.context, shop.org, customer, by=visit.by, reason=reason)
            dropped += 1
        except NotFound:
            continue  # a success closed it meanwhile
    return Redirect(_path(shop), Notice("notice.letters_dropped", {"n": str(dropped)}))


def group_letters(letters: Iterable[DeadLetter], *, t: Translator) -> tuple[Group, ...]:
    """Group the letters by cause and text, the largest group first. The groups are as the list is: oldest first."""
    grouped: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        grouped.setdefault(group_key(letter), []).append(letter)
    groups = [_group(key, members, t) for key, members in grouped.items()]
    return tuple(sorted(groups, key=lambda group: -group.customers))


def group_key(letter: DeadLetter) -> str:
    """What the letters of a group have in common. The frames of a crash differ by customer, its cause does not."""
    kind = letter.cause.partition(":")[0]
    return kind if kind in ("crash", "undone") else f"{letter.cause}|{letter.text}"


def _group(key: str, letters: list[DeadLetter], t: Translator) -> Group:
    kind, first = letters[0].cause.partition(":")[0], letters[0]
    causes = {letter.cause for letter in letters}
    text = format_dead_letter(first, words=t) if len(causes) == 1 else t(f"letters.kind.{kind}")
    fix = f"letters.fix.{kind}"
    return Group(
        key=key,
        text=text,
        fix=t(fix) if t.has(fix) else t("letters.fix.other"),
        letters=tuple(letters[:MAX_SHOWN]),
        customers=len(letters),
        last_ms=max(letter.last_ms for letter in letters),
        is_transient=all(letter.transient for letter in letters),
    )


async def _show(visit: Visit, shop: Shop, *, error: str = "") -> View:
    letters = await list_open(visit.context.redis, shop.org)
    customers = len({letter.customer for letter in letters})
    model = DeadLetterPage(_path(shop), group_letters(letters, t=visit.t), customers, error)
    status = 422 if error else 200
    return View(
        "activity/dead_letters.html", model, visit.t("letters.title"), _crumbs(visit, shop), status=status
    )


def _customers(visit: Visit) -> list[CustomerId]:
    """The chosen customers. What is no id was not chosen on our page."""
    chosen = (read_customer(text) for text in visit.posted_all("customer"))
    return sorted({customer for customer in chosen if customer is not None})


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
