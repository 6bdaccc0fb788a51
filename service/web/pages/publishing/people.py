"""The names of the customers that a review shows. They are not part of its stored result: names are stored sealed only."""

from __future__ import annotations

from collections.abc import Mapping

from service.context import Context
from service.domain.customers import OrgId
from service.domain.explain import Language
from service.publishing.review import Effect
from service.store.customers import load_names
from service.web.pages.shell import Visit


async def names_in(visit: Visit, effect: Effect | None) -> Mapping[int, str]:
    """The names of the customers that would get or lose a tag. For pages from the role marketer on."""
    rows = effect.tags if effect is not None else ()
    customers = sorted({customer for row in rows for customer in (*row.adds, *row.removes)})
    if not customers:
        return {}
    return await visit.cpu.run(find_names, visit.org, customers, visit.language)


async def find_names(
    context: Context, org: OrgId, customers: list[int], language: Language
) -> dict[int, str]:
    """`load_names` of a shop. In the CPU pool: there may be hundreds."""
    shop = await context.shops.get_or_raise(org)
    return await load_names(context.redis, org, shop.cipher, customers, language)
