"""Tokens of the ops API: create, list and revoke. Each change is recorded in the audit log of the service."""

from __future__ import annotations

import secrets

from service.context import Context
from service.domain.access import Actor, NewToken, Role, Shops, create_token
from service.errors import NotFound, Refused
from service.store.access import TokenUse, tokens
from service.store.history import audit_log


async def add_token(
    context: Context, name: str, role: Role, *, shops: Shops, expires_ms: int = 0, by: Actor
) -> NewToken:
    """Create a token and return it with its secret, which is not stored. Raises Refused."""
    created = create_token(
        name,
        role,
        shops=shops,
        expires_ms=expires_ms,
        by=by,
        now_ms=await context.now_ms(),
        random=secrets.token_bytes(32),
    )
    if unknown := sorted(set(shops or ()) - set(await context.shops.orgs())):
        raise Refused(f"there is no shop {', '.join(unknown)}; see: tagger shops list")
    taken = Refused(f"there is a token {name!r} already: revoke it first, or choose another name")
    if await tokens.find(context.redis, name) is not None:
        raise taken
    reach = "every shop" if shops is None else f"{len(shops)} shops: {', '.join(sorted(shops))}"
    summary = f"token {name}: role {role}, {reach}"
    async with audit_log.recorded(context.redis, by, "add_token", summary=summary):
        if not await tokens.add(context.redis, created.stored):
            raise taken
    return created


async def list_tokens(context: Context) -> list[TokenUse]:
    """Every stored token by name, with its last use, also those that have expired."""
    return await tokens.list_all(context.redis)


async def revoke_token(context: Context, name: str, *, by: Actor) -> None:
    """Delete a token: its next request is refused. Raises NotFound."""
    if await tokens.find(context.redis, name) is None:
        raise NotFound(f"there is no token {name!r}; those of OPS_TOKENS are removed from the environment")
    async with audit_log.recorded(context.redis, by, "revoke_token", summary=f"token {name}"):
        await tokens.remove(context.redis, name)
