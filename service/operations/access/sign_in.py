"""Signing in and out, and passwords."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import msgspec

from service.context import Context
from service.domain.access import (
    MAX_AGENT,
    SALT_SIZE,
    Session,
    User,
    UserSecret,
    create_secret,
    hash_password,
    normalize_email,
    parse_secret,
    password_problem,
    verify_password,
)
from service.errors import NotFound, Refused
from service.sentence import Sentence
from service.store.access import SessionUse, sessions, users
from service.store.history import audit_log

T = TypeVar("T")
MAX_HASHES: Final = 2  # at once: each takes 64 MiB and a core
_HASHING: Final = ThreadPoolExecutor(MAX_HASHES, thread_name_prefix="argon2")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user with a new session. The browser keeps the secret."""

    user: User
    secret: UserSecret


async def sign_in(context: Context, email: str, password: str, *, agent: str) -> SignedIn | None:
    """Sign in with a password. None if address or password is wrong, which takes the same time for both."""
    user = await users.find_by_email(context.redis, normalize_email(email))
    stored = "" if user is None else user.password
    if not await _verify(password, stored) or user is None:
        return None
    return await _begin(context, user, agent=agent, by_link=False)


async def sign_in_by_link(context: Context, text: str, *, agent: str) -> SignedIn | None:
    """Sign in with a one-time link, which then is used up. None if it is unknown, used or too old."""
    secret = parse_secret(text)
    if secret is None or not await sessions.use_link(context.redis, secret):
        return None
    user = await users.find(context.redis, secret.name)
    return None if user is None else await _begin(context, user, agent=agent, by_link=True)


async def list_sessions(context: Context, user: User) -> list[SessionUse]:
    """The user's stored sessions, the newest first, also those that have ended."""
    return await sessions.list_all(context.redis, user.name)


async def end_session(context: Context, user: User, digest: str) -> None:
    """End one session of a user."""
    async with audit_log.recorded(
        context.redis, user.to_actor(), "sign_out", summary=Sentence("user {name}", name=user.name)
    ):
        await sessions.remove(context.redis, user.name, digest)


async def end_sessions(context: Context, user: User) -> None:
    """End every session of a user: somebody else may have one."""
    async with audit_log.recorded(
        context.redis, user.to_actor(), "sign_out_everywhere", summary=Sentence("user {name}", name=user.name)
    ):
        await sessions.remove_all(context.redis, user.name)


async def set_password(context: Context, user: User, *, old: str | None, new: str, agent: str) -> SignedIn:
    """Set a user's own password, end all sessions, and begin a new one. Raises Refused.

    `old` None: the user signed in by a link, and need not know the old one.
    """
    if password_problem(new, email=user.email, name=user.name):
        raise Refused(Sentence("the new password is not good enough"))
    if old is not None and not await _verify(old, user.password):
        raise Refused(Sentence("the old password is wrong"))
    hashed = await _hash(new)
    now_ms = await context.now_ms()

    def change(known: dict[str, User]) -> dict[str, User | None]:
        if user.name not in known:
            raise NotFound(Sentence("there is no user {name!r}", name=user.name))
        return {user.name: msgspec.structs.replace(known[user.name], password=hashed, password_ms=now_ms)}

    async with audit_log.recorded(
        context.redis, user.to_actor(), "set_password", summary=Sentence("user {name}", name=user.name)
    ):
        await users.change(context.redis, change)
        await sessions.remove_all(context.redis, user.name)
        await sessions.remove_link(context.redis, user.name)
        return await _new_session(context, user, agent=agent)


async def _begin(context: Context, user: User, *, agent: str, by_link: bool) -> SignedIn:
    how = (
        Sentence("user {name}, by a one-time link", name=user.name)
        if by_link
        else Sentence("user {name}, with the password", name=user.name)
    )
    async with audit_log.recorded(context.redis, user.to_actor(), "sign_in", summary=how):
        return await _new_session(context, user, agent=agent, by_link=by_link)


async def _new_session(context: Context, user: User, *, agent: str, by_link: bool = False) -> SignedIn:
    secret = create_secret(user.name, random=secrets.token_bytes(32))
    await sessions.add(context.redis, secret, Session(await context.now_ms(), agent[:MAX_AGENT], by_link))
    return SignedIn(user, secret)


async def _verify(password: str, stored: str) -> bool:
    return await _in_thread(partial(verify_password, password, stored))


async def _hash(password: str) -> str:
    return await _in_thread(partial(hash_password, password, salt=secrets.token_bytes(SALT_SIZE)))


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_HASHING, work)
