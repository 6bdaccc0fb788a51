"""Access: who asks, in which role, and for which shops.

Pure judgements. The store keeps tokens, and the ops API and the command line build an Actor for each request."""

from service.domain.access.actor import ALL_SHOPS, Actor, ActorKind, Shops, environment_token, shell_user
from service.domain.access.role import Role
from service.domain.access.tokens import (
    NAME_PATTERN,
    NewToken,
    Token,
    create_token,
    hash_token,
    matches,
    token_name,
)

__all__ = [
    "ALL_SHOPS",
    "NAME_PATTERN",
    "Actor",
    "ActorKind",
    "NewToken",
    "Role",
    "Shops",
    "Token",
    "create_token",
    "environment_token",
    "hash_token",
    "matches",
    "shell_user",
    "token_name",
]
