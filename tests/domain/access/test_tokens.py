"""A token carries its name and 256 random bits; what is stored of it does not open anything."""

from __future__ import annotations

import pytest

from service.domain.access.actor import Actor, environment_token, shell_user
from service.domain.access.role import Role
from service.domain.access.tokens import create_token, hash_token, matches, token_name
from service.domain.customers.customer import OrgId
from service.errors import Forbidden, Refused
from service.sentence import Sentence

OWNER = shell_user("lan")
ONE, TWO = OrgId("1"), OrgId("2")
NEW = create_token(
    "bao-cao",
    Role.VIEWER,
    shops=frozenset({TWO, ONE}),
    expires_ms=2000,
    by=OWNER,
    now_ms=1000,
    random=b"\x0f" * 32,
)


def test_a_new_token_is_stored_as_a_hash_only() -> None:
    assert NEW.secret == "tagger_bao-cao_" + "0f" * 32
    assert NEW.stored.digest == hash_token(NEW.secret)
    assert "0f0f" not in repr(NEW.stored)
    assert (NEW.stored.shops, NEW.stored.created_by) == ((ONE, TWO), "lan")


def test_only_the_whole_token_matches() -> None:
    other = NEW.secret[:-1] + "e"

    assert matches(NEW.secret, NEW.stored)
    assert not matches(other, NEW.stored)
    assert not matches(NEW.secret, None)
    assert not matches("", None)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (NEW.secret, "bao-cao"),
        (NEW.secret + "0", None),
        (NEW.secret.upper(), None),
        ("tagger__" + "0f" * 32, None),
        ("ops-token-0123456789", None),
        ("tagger_bao-cao_" + "0f" * 32 + "\n", None),
        ("", None),
    ],
)
def test_only_what_looks_like_a_token_has_a_name_to_look_up(given: str, name: str | None) -> None:
    assert token_name(given) == name


@pytest.mark.parametrize("name", ["", "a b", "a_b", "-a", "đạt", "a" * 41, "a\n", "a/b"])
def test_a_name_that_a_path_or_a_log_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="cannot be the name of a token"):
        create_token(name, Role.OPS, shops=None, expires_ms=0, by=OWNER, now_ms=1, random=b"x" * 32)


@pytest.mark.parametrize(("shops", "expires_ms"), [(frozenset[OrgId](), 0), (None, 999), (None, 1000)])
def test_a_token_for_no_shop_or_for_no_time_is_refused(
    shops: frozenset[OrgId] | None, expires_ms: int
) -> None:
    with pytest.raises(Refused):
        create_token(
            "a", Role.OPS, shops=shops, expires_ms=expires_ms, by=OWNER, now_ms=1000, random=b"x" * 32
        )


def test_a_token_expires_at_its_moment_or_never() -> None:
    forever = create_token("a", Role.OPS, shops=None, expires_ms=0, by=OWNER, now_ms=1, random=b"x" * 32)

    assert [NEW.stored.is_expired(moment) for moment in (1999, 2000, 2001)] == [False, True, True]
    assert not forever.stored.is_expired(10**15)


def test_an_actor_reaches_only_the_shops_of_its_token() -> None:
    actor = NEW.stored.to_actor()

    assert (actor.may_reach(ONE), actor.may_reach(OrgId("3"))) == (True, False)
    assert environment_token("an").may_reach(OrgId("3"))


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("least", list(Role))
def test_each_role_may_do_what_the_roles_before_it_may_do(role: Role, least: Role) -> None:
    order = ["viewer", "marketer", "ops", "owner"]
    actor = Actor("a", role, "token")

    assert actor.may(least) is (order.index(role) >= order.index(least))
    if not actor.may(least):
        with pytest.raises(Forbidden, match=f"the role {role} may not publish: it needs the role {least}"):
            actor.require(least, Sentence("publish"))
