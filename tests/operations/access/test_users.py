"""Users: who can be added, and that an owner is always left."""

from __future__ import annotations

import pytest

from service.context import Context
from service.domain.access import Role, shell_user
from service.domain.customers import OrgId
from service.errors import NotFound, Refused
from service.operations import access
from service.store.access import sessions
from service.store.history import audit_log
from tests.support.shop import ORG

ROOT = shell_user("root")


async def add(
    context: Context, name: str, role: Role = Role.OWNER, shops: frozenset[OrgId] | None = None
) -> None:
    await access.add_user(context, name, f"{name}@example.com", role, shops=shops, by=ROOT)


async def actions(context: Context) -> list[str]:
    return [row.entry.action for row in await audit_log.list_entries(context.redis)]


async def test_a_user_is_added_with_a_link_and_no_password(context: Context) -> None:
    secret = await access.add_user(context, "lan", " Lan@Example.com ", Role.OWNER, shops=None, by=ROOT)

    [user] = await access.list_users(context)
    assert (user.name, user.email, user.password, user.created_by) == ("lan", "lan@example.com", "", "root")
    assert await sessions.use_link(context.redis, secret)


async def test_the_audit_log_has_names_and_no_addresses(context: Context) -> None:
    await add(context, "lan")
    await access.create_link(context, "lan", by=ROOT)
    await add(context, "an", Role.MARKETER)
    await access.change_user(context, "an", Role.OPS, shops=frozenset({ORG}), by=ROOT)
    await access.remove_user(context, "an", by=ROOT)

    entries = [row.entry for row in await audit_log.list_entries(context.redis)]
    assert [entry.action for entry in entries] == [
        "remove_user",
        "change_user",
        "add_user",
        "sign_in_link",
        "add_user",
    ]
    assert not any("@" in entry.summary for entry in entries)


@pytest.mark.parametrize(
    ("name", "email", "shops"),
    [
        pytest.param("lan", "other@example.com", None, id="name taken"),
        pytest.param("other", "LAN@example.com", None, id="address taken"),
        pytest.param("a b", "other@example.com", None, id="name"),
        pytest.param("other", "other", None, id="address"),
        pytest.param("other", "other@example.com", frozenset({OrgId("7")}), id="unknown shop"),
    ],
)
async def test_a_refused_user_leaves_no_entry(
    context: Context, name: str, email: str, shops: frozenset[OrgId] | None
) -> None:
    await add(context, "lan")

    with pytest.raises(Refused):
        await access.add_user(context, name, email, Role.VIEWER, shops=shops, by=ROOT)

    assert await actions(context) == ["add_user"]


async def test_the_last_owner_of_every_shop_stays_one(context: Context) -> None:
    await add(context, "lan")
    await add(context, "an", Role.OWNER, frozenset({ORG}))

    with pytest.raises(Refused, match="last owner"):
        await access.remove_user(context, "lan", by=ROOT)
    with pytest.raises(Refused, match="last owner"):
        await access.change_user(context, "lan", Role.OPS, shops=None, by=ROOT)
    with pytest.raises(Refused, match="last owner"):
        await access.change_user(context, "lan", Role.OWNER, shops=frozenset({ORG}), by=ROOT)
    await access.change_user(context, "an", Role.OWNER, shops=None, by=ROOT)
    await access.remove_user(context, "lan", by=ROOT)

    assert [user.name for user in await access.list_users(context)] == ["an"]


async def test_a_removed_user_cannot_use_an_earlier_link(context: Context) -> None:
    await add(context, "lan")
    secret = await access.add_user(context, "an", "an@example.com", Role.OPS, shops=None, by=ROOT)

    await access.remove_user(context, "an", by=ROOT)

    assert await access.sign_in_by_link(context, secret.text, agent="") is None


async def test_an_unknown_user_is_not_found(context: Context) -> None:
    for change in (
        access.remove_user(context, "nobody", by=ROOT),
        access.create_link(context, "nobody", by=ROOT),
        access.change_user(context, "nobody", Role.OPS, shops=None, by=ROOT),
    ):
        with pytest.raises(NotFound):
            await change
    assert await actions(context) == []
