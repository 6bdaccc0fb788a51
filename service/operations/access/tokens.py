"""Tokens of the ops API: create, list and revoke. Each change is recorded in the audit log of the service."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from service.context import Context
from service.domain.access import Actor, NewToken, Role, Shops, create_token
from service.domain.customers import OrgId
from service.errors import NotFound, Refused
from service.sentence import Sentence
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
        raise Refused(Sentence("there is no shop {orgs}; see: tagger shops list", orgs=", ".join(unknown)))
    taken = Refused(
        Sentence("there is a token {name!r} already: revoke it first, or choose another name", name=name)
    )
    if await tokens.find(context.redis, name) is not None:
        raise taken
    summary = Sentence(
        "token {name}: role {role}, shops: {shops}",
        name=name,
        role=role.value,
        shops=describe_shops(created.stored.shops),
    )
    async with audit_log.recorded(context.redis, by, "add_token", summary=summary):
        if not await tokens.add(context.redis, created.stored):
            raise taken
    return created


def describe_shops(shops: Sequence[OrgId] | None) -> str | Sentence:
    """The shops of a token or user, for the audit log."""
    return Sentence("all") if shops is None else ", ".join(shops)


async def list_tokens(context: Context) -> list[TokenUse]:
    """Every stored token by name, with its last use, also those that have expired."""
    return await tokens.list_all(context.redis)


async def revoke_token(context: Context, name: str, *, by: Actor) -> None:
    """Delete a token: its next request is refused. Raises NotFound."""
    if await tokens.find(context.redis, name) is None:
        raise NotFound(
            Sentence(
                "there is no token {name!r}; those of OPS_TOKENS are removed from the environment", name=name
            )
        )
    async with audit_log.recorded(
        context.redis, by, "revoke_token", summary=Sentence("token {name}", name=name)
    ):
        await tokens.remove(context.redis, name)
