"""Signing in: with the right password or a link, and every session ends when it should."""

from __future__ import annotations

import pytest

from service.context import Context
from service.domain.access import Role, User, UserSecret, shell_user
from service.errors import Refused
from service.operations import access
from service.store.access import sessions, users
from service.store.history import audit_log

PASSWORD = "mật khẩu rất dài"
AGENT = "Firefox"


@pytest.fixture
async def lan(context: Context) -> User:
    """A user with a password and no session."""
    await access.add_user(context, "lan", "lan@example.com", Role.OWNER, shops=None, by=shell_user("root"))
    user = await users.find(context.redis, "lan")
    assert user is not None
    await access.set_password(context, user, old=None, new=PASSWORD, agent=AGENT)
    await sessions.remove_all(context.redis, "lan")
    user = await users.find(context.redis, "lan")
    assert user is not None
    return user


async def is_valid(context: Context, secret: UserSecret) -> bool:
    found, _ = await sessions.find(context.redis, secret)
    return found is not None


async def test_the_right_password_begins_a_session(context: Context, lan: User) -> None:
    first = await access.sign_in(context, " LAN@example.com", PASSWORD, agent=AGENT)
    second = await access.sign_in(context, "lan@example.com", PASSWORD, agent=AGENT)

    assert first is not None
    assert second is not None
    assert first.secret != second.secret  # the id is new at each sign-in
    assert await is_valid(context, first.secret)
    assert (await audit_log.list_entries(context.redis))[0].entry.action == "sign_in"


@pytest.mark.parametrize(
    ("email", "password"),
    [("lan@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("lan", PASSWORD), ("", "")],
)
async def test_a_wrong_pair_begins_none(context: Context, lan: User, email: str, password: str) -> None:
    assert await access.sign_in(context, email, password, agent=AGENT) is None
    assert await access.list_sessions(context, lan) == []


async def test_a_user_without_a_password_cannot_sign_in_with_an_empty_one(context: Context) -> None:
    await access.add_user(context, "an", "an@example.com", Role.OWNER, shops=None, by=shell_user("root"))

    assert await access.sign_in(context, "an@example.com", "", agent=AGENT) is None


async def test_a_link_begins_one_session_that_may_set_a_password(context: Context, lan: User) -> None:
    secret = await access.create_link(context, "lan", by=shell_user("root"))

    signed_in = await access.sign_in_by_link(context, secret.text, agent=AGENT)

    assert signed_in is not None
    assert [use.session.by_link for use in await access.list_sessions(context, lan)] == [True]
    assert await access.sign_in_by_link(context, secret.text, agent=AGENT) is None


async def test_a_new_password_ends_every_other_session_and_link(context: Context, lan: User) -> None:
    thief = await access.sign_in(context, lan.email, PASSWORD, agent="thief")
    link = await access.create_link(context, "lan", by=shell_user("root"))

    changed = await access.set_password(context, lan, old=PASSWORD, new="một mật khẩu khác", agent=AGENT)

    assert thief is not None
    assert not await is_valid(context, thief.secret)
    assert await is_valid(context, changed.secret)
    assert await access.sign_in_by_link(context, link.text, agent=AGENT) is None
    assert await access.sign_in(context, lan.email, PASSWORD, agent=AGENT) is None


async def test_a_password_is_changed_with_the_old_one_only(context: Context, lan: User) -> None:
    with pytest.raises(Refused, match="old password"):
        await access.set_password(context, lan, old="wrong", new="một mật khẩu khác", agent=AGENT)
    with pytest.raises(Refused, match="not good enough"):
        await access.set_password(context, lan, old=PASSWORD, new="short", agent=AGENT)


async def test_signing_out_ends_this_session_or_all(context: Context, lan: User) -> None:
    here = await access.sign_in(context, lan.email, PASSWORD, agent=AGENT)
    there = await access.sign_in(context, lan.email, PASSWORD, agent=AGENT)
    assert here is not None
    assert there is not None

    await access.end_session(context, lan, here.secret.digest)
    assert (await is_valid(context, here.secret), await is_valid(context, there.secret)) == (False, True)
    await access.end_sessions(context, lan)
    assert not await is_valid(context, there.secret)
