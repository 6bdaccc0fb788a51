"""Users of the pages: add, change, remove, and one-time links to sign in with.

Summaries in the audit log have the name of a user, never the e-mail address: an entry cannot be erased.
"""

from __future__ import annotations

import secrets
from typing import Final

import msgspec

from service.context import Context
from service.domain.access import (
    Actor,
    Role,
    Shops,
    User,
    UserSecret,
    create_secret,
    normalize_email,
    user_problem,
)
from service.errors import NotFound, Refused
from service.operations.access.tokens import describe_shops
from service.sentence import Sentence
from service.store.access import sessions, users
from service.store.history import audit_log

PROBLEMS: Final = {
    "name": Sentence("the name has up to 40 letters A-Z, digits, dots and dashes"),
    "email": Sentence("this is not an e-mail address"),
    "shops": Sentence("name 1 to 1000 shops, or none for a user of every shop"),
}
LAST_OWNER: Final = Sentence("this is the last owner of every shop: make another user one first")


async def add_user(
    context: Context, name: str, email: str, role: Role, *, shops: Shops, by: Actor
) -> UserSecret:
    """Add a user without a password. Returns the one-time link to sign in with. Raises Refused."""
    email = normalize_email(email)
    if problem := user_problem(name, email, shops):
        raise Refused(PROBLEMS[problem])
    await _require_shops(context, shops)
    user = User(
        name=name,
        email=email,
        role=role,
        created_ms=await context.now_ms(),
        created_by=by.name,
        shops=None if shops is None else tuple(sorted(shops)),
    )

    def add(known: dict[str, User]) -> dict[str, User | None]:
        if name in known:
            raise Refused(Sentence("there is a user {name!r} already: choose another name", name=name))
        if any(each.email == email for each in known.values()):
            raise Refused(Sentence("there is a user with this e-mail address already"))
        return {name: user}

    add({each.name: each for each in await users.list_all(context.redis)})  # refused before the audit log
    async with audit_log.recorded(context.redis, by, "add_user", summary=_summary(user)):
        await users.change(context.redis, add)
        return await _new_link(context, name)


async def change_user(context: Context, name: str, role: Role, *, shops: Shops, by: Actor) -> User:
    """Change role and shops, which count from the user's next request on. Raises NotFound, Refused."""
    if problem := user_problem(name, "a@example.com", shops):
        raise Refused(PROBLEMS[problem])
    await _require_shops(context, shops)
    orgs = None if shops is None else tuple(sorted(shops))

    def change(known: dict[str, User]) -> dict[str, User | None]:
        changed = msgspec.structs.replace(_known(known, name), role=role, shops=orgs)
        _require_owner({**known, name: changed})
        return {name: changed}

    changed = change({each.name: each for each in await users.list_all(context.redis)})[name]
    assert changed is not None  # noqa: S101  # `change` never deletes
    async with audit_log.recorded(context.redis, by, "change_user", summary=_summary(changed)):
        await users.change(context.redis, change)
    return changed


async def remove_user(context: Context, name: str, *, by: Actor) -> None:
    """Delete a user with all sessions. Raises NotFound, and Refused for the last owner."""

    def remove(known: dict[str, User]) -> dict[str, User | None]:
        _known(known, name)
        _require_owner({key: user for key, user in known.items() if key != name})
        return {name: None}

    remove({each.name: each for each in await users.list_all(context.redis)})
    async with audit_log.recorded(
        context.redis, by, "remove_user", summary=Sentence("user {name}", name=name)
    ):
        await users.change(context.redis, remove)
        await sessions.remove_link(context.redis, name)


async def list_users(context: Context) -> list[User]:
    """Every user by name."""
    return await users.list_all(context.redis)


async def create_link(context: Context, name: str, *, by: Actor) -> UserSecret:
    """Make a one-time link for a user who forgot the password; an earlier one stops working. Raises NotFound."""
    if await users.find(context.redis, name) is None:
        raise _no_user(name)
    async with audit_log.recorded(
        context.redis, by, "sign_in_link", summary=Sentence("user {name}", name=name)
    ):
        return await _new_link(context, name)


async def _new_link(context: Context, name: str) -> UserSecret:
    secret = create_secret(name, random=secrets.token_bytes(32))
    await sessions.add_link(context.redis, secret)
    return secret


async def _require_shops(context: Context, shops: Shops) -> None:
    if unknown := sorted(set(shops or ()) - set(await context.shops.orgs())):
        raise Refused(Sentence("there is no shop {orgs}; see: tagger shops list", orgs=", ".join(unknown)))


def _known(known: dict[str, User], name: str) -> User:
    if name not in known:
        raise _no_user(name)
    return known[name]


def _require_owner(users_after: dict[str, User]) -> None:
    """Raise Refused unless an owner of every shop is left to manage users. No user at all is allowed."""
    if users_after and not any(
        user.role is Role.OWNER and user.shops is None for user in users_after.values()
    ):
        raise Refused(LAST_OWNER)


def _no_user(name: str) -> NotFound:
    return NotFound(Sentence("there is no user {name!r}; see: tagger users list", name=name))


def _summary(user: User) -> Sentence:
    return Sentence(
        "user {name}: role {role}, shops: {shops}",
        name=user.name,
        role=user.role.value,
        shops=describe_shops(user.shops),
    )
