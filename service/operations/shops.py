"""Shops: add, remove, replace credentials, rotate keys, pause and resume. Each change is recorded in the audit log.

`ask` asks Haravan about an access token before it is used. None: it is not checked.
Who adds or removes a shop is recorded in the chain of the service, because the shop's own is erased with its data.
"""

from __future__ import annotations

from dataclasses import replace

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import OrgId
from service.errors import InvalidSettings
from service.operations.token_checks import AskAboutToken, check_token
from service.sentence import Sentence
from service.store import encryption
from service.store.encryption import KeyStatus
from service.store.history import audit_log
from service.store.shops import TOKEN_REJECTED, Shop, exists_already, validate


async def add_shop(context: Context, shop: Shop, *, ask: AskAboutToken | None, by: Actor) -> None:
    """Add a shop. Raises Refused if a field is wrong or the shop exists, TokenRefused, TokenUnchecked."""
    validate(shop)
    if await context.shops.exists(shop.org):
        raise exists_already(shop.org)
    await check_token(ask, shop)
    summary = Sentence(
        "shop {org}: {dialect}, {address}", org=shop.org, dialect=shop.dialect, address=shop.api_url
    )
    async with audit_log.recorded(context.redis, by, "add_shop", summary=summary):
        await context.shops.add(shop)


async def remove_shop(context: Context, org: OrgId, *, erase: bool, by: Actor) -> None:
    """Remove a shop; with `erase` all of its data. Raises NotFound.

    The entry names the last hash of the shop's own audit log, which is erased as well.
    """
    chain = await audit_log.verify(context.redis, org)
    summary = Sentence(
        "shop {org}: {kept}, its audit log had {entries} entries up to {hash}",
        org=org,
        kept=Sentence("data erased") if erase else Sentence("data kept"),
        entries=chain.entries,
        hash=chain.last_hash or "-",
    )
    async with audit_log.recorded(context.redis, by, "remove_shop", summary=summary):
        await context.shops.remove(org, erase=erase)


async def replace_token(
    context: Context, org: OrgId, token: str, *, ask: AskAboutToken | None, by: Actor
) -> None:
    """Replace the token of the shop's API. Raises NotFound, Refused, TokenRefused, TokenUnchecked."""
    await check_token(ask, replace(await context.shops.describe(org), token=token))
    async with audit_log.recorded(
        context.redis, by, "shop_token", org=org, summary=Sentence("access token replaced")
    ):
        await context.shops.set_token(org, token)


async def replace_webhook_secret(context: Context, org: OrgId, secret: str, *, by: Actor) -> None:
    """Replace the shop's own webhook secret. Raises NotFound."""
    async with audit_log.recorded(
        context.redis, by, "shop_secret", org=org, summary=Sentence("webhook secret replaced")
    ):
        await context.shops.set_secret(org, secret)


async def rotate_keys(context: Context, *, by: Actor, delete_unreadable: bool = False) -> KeyStatus:
    """Wrap the data keys of all shops with the first key of SECRET_KEY. Returns what is left.

    Web and workers go on meanwhile, if their SECRET_KEY has the first key, too. With `delete_unreadable`, data keys that
    no key of SECRET_KEY opens are deleted: what they sealed can then never be read again. Raises InvalidSettings without
    SECRET_KEY.
    """
    redis, keyring = context.redis, context.shops.keyring
    if not keyring.fingerprints:
        raise InvalidSettings(Sentence("SECRET_KEY is missing: its first key wraps the data keys"))
    key = keyring.fingerprints[0]
    summary = (
        Sentence("wrap every data key with the key {key}, and delete those that no key opens", key=key)
        if delete_unreadable
        else Sentence("wrap every data key with the key {key}", key=key)
    )
    async with audit_log.recorded(redis, by, "rotate_keys", summary=summary):
        for org in {row.org: None for row in await encryption.list_wrapped(redis, keyring)}:
            await encryption.rewrap(redis, keyring, org)
            if delete_unreadable:
                await encryption.delete_unreadable(redis, keyring, org)
    return await encryption.key_status(redis, keyring)


async def pause_shop(context: Context, org: OrgId, *, reason: str, by: Actor) -> None:
    """Stop all work of the shop. Its marks stay. The reason is stored with the pause only, because it is free text."""
    async with audit_log.recorded(context.redis, by, "pause", org=org, summary=Sentence("work paused")):
        await context.shops.pause(org, reason=reason, by=by.name)


async def resume_shop(
    context: Context, org: OrgId, *, removals: bool = False, ask: AskAboutToken | None, by: Actor
) -> None:
    """Resume the work of the shop; with `removals` also removals that the removal guard paused.

    If Haravan had rejected its token, the token is checked first. Raises NotFound, TokenRefused, TokenUnchecked.
    """
    if (await context.shops.describe(org)).paused == TOKEN_REJECTED:
        shop = await context.shops.get_or_raise(org)
        await check_token(ask, shop, otherwise=Sentence("shop {org} stays paused", org=org))
    summary = Sentence("work and removals resumed") if removals else Sentence("work resumed")
    async with audit_log.recorded(context.redis, by, "resume", org=org, summary=summary):
        await context.shops.resume(org)
        if removals:
            await context.shops.resume_removals(org)
