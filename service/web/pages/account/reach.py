"""Which role and which shops somebody gets: the part that the forms of users and of tokens share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.domain.access import Role, Shops
from service.domain.customers import OrgId
from service.web.pages.shell import Visit


@dataclass(frozen=True, slots=True)
class ShopChoice:
    """A shop to choose."""

    org: OrgId
    name: str


async def list_shop_choices(visit: Visit) -> tuple[ShopChoice, ...]:
    """Every shop by org id."""
    orgs = await visit.context.shops.orgs()
    return tuple([ShopChoice(org, (await visit.context.shops.describe(org)).name) for org in orgs])


def read_role(visit: Visit) -> Role:
    """The posted role; the least one for a text that is none."""
    text = visit.posted("role")
    return Role(text) if text in tuple(Role) else Role.VIEWER


async def read_shops(visit: Visit) -> Shops:
    """The posted shops as far as they exist; None for all of them."""
    if visit.posted("reach") != "some":
        return None
    posted = visit.posted_all("shops")
    return frozenset(org for org in await visit.context.shops.orgs() if org in posted)


def shops_text(visit: Visit, orgs: Sequence[OrgId] | None, choices: Sequence[ShopChoice]) -> str:
    """The names of shops, and the id of one that was removed."""
    if orgs is None:
        return visit.t("users.every_shop")
    names = {choice.org: choice.name for choice in choices}
    return visit.t.truncate_list([names.get(org, org) for org in orgs])
