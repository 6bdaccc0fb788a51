"""Questions about an access token. Nothing is changed by asking."""

from __future__ import annotations

from service.errors import TokenRejected
from service.store.shops import Shop, TokenAnswer
from workers.haravan.client import Haravan
from workers.haravan.rate_limit import Permits


async def ask_about_token(api: Haravan, permits: Permits, shop: Shop) -> TokenAnswer:
    """To which shop the token belongs, and which scopes it lacks. Raises HaravanError, also for one that is not valid."""
    owner = await owner_of_token(api, permits)
    if owner not in ("", shop.org):
        return TokenAnswer(owner=owner)
    return TokenAnswer(owner=owner, missing_scopes=await missing_scopes(api, permits, shop))


async def owner_of_token(api: Haravan, permits: Permits) -> str:
    """The org id of the shop to which the token belongs, or "" if the API does not say. Raises HaravanError."""
    shop = await api.perform(api.dialect.shop(), permits)
    return str((shop or {}).get("id") or "")


async def missing_scopes(api: Haravan, permits: Permits, shop: Shop) -> tuple[str, ...]:
    """The scopes that the token lacks, as far as Haravan tells: by a 403. Raises HaravanError.

    In shadow mode no scope for writing is needed.
    """
    missing: list[str] = []
    for call in [api.dialect.count, *([] if shop.shadow else [api.dialect.check_write])]:
        try:
            await api.perform(call(), permits)
        except TokenRejected as exc:
            if not exc.scope:
                raise
            missing.append(exc.scope)
    return tuple(missing)
