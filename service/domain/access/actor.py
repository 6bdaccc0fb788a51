"""Actors: everybody who asks for something. Functions that change data take one and pass it to the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from service.domain.access.role import Role
from service.domain.customers import OrgId
from service.errors import Forbidden
from service.sentence import Sentence

# a stored token, a token of OPS_TOKENS, a user of the pages, a user of the command line
ActorKind = Literal["token", "environment", "user", "shell"]
Shops = frozenset[OrgId] | None  # the shops that somebody may reach; None: every shop
ALL_SHOPS: Final[Shops] = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who asks for something: a token of the ops API, a person on the pages, a user of the command line."""

    name: str
    role: Role
    kind: ActorKind
    shops: Shops = ALL_SHOPS

    def may_reach(self, org: OrgId) -> bool:
        """Whether this shop exists for the actor."""
        return self.shops is None or org in self.shops

    def may(self, least: Role) -> bool:
        """Whether the actor's role is at least this one."""
        return self.role.includes(least)

    def require(self, least: Role, what: Sentence) -> None:
        """Raise Forbidden unless the actor's role is at least this one. `what` completes "may not …"."""
        if not self.may(least):
            raise Forbidden(
                Sentence(
                    "the role {role} may not {what}: it needs the role {least} or a higher one",
                    role=self.role,
                    what=what,
                    least=least,
                )
            )


def environment_token(name: str) -> Actor:
    """A token of OPS_TOKENS: somebody who sets the environment can do everything anyway."""
    return Actor(name, Role.OWNER, "environment")


def shell_user(name: str) -> Actor:
    """A user of the command line. Somebody with access to SECRET_KEY and Redis can do everything anyway."""
    return Actor(name, Role.OWNER, "shell")
