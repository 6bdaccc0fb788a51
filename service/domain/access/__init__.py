"""Access: who asks, in which role, and for which shops; tokens, users, passwords and sessions.

Pure judgements. The store keeps tokens, users and sessions; the ops API, the pages and the command line build an Actor for
each request."""

from service.domain.access.actor import ALL_SHOPS, Actor, ActorKind, Shops, environment_token, shell_user
from service.domain.access.passwords import (
    MAX_PASSWORD,
    MIN_PASSWORD,
    SALT_SIZE,
    hash_password,
    password_problem,
    verify_password,
)
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
from service.domain.access.users import (
    IDLE_MS,
    LINK_MS,
    LINK_PATH,
    MAX_AGE_MS,
    MAX_AGENT,
    Session,
    User,
    UserSecret,
    create_secret,
    normalize_email,
    parse_secret,
    user_problem,
)

__all__ = [
    "ALL_SHOPS",
    "IDLE_MS",
    "LINK_MS",
    "LINK_PATH",
    "MAX_AGENT",
    "MAX_AGE_MS",
    "MAX_PASSWORD",
    "MIN_PASSWORD",
    "NAME_PATTERN",
    "SALT_SIZE",
    "Actor",
    "ActorKind",
    "NewToken",
    "Role",
    "Session",
    "Shops",
    "Token",
    "User",
    "UserSecret",
    "create_secret",
    "create_token",
    "environment_token",
    "hash_password",
    "hash_token",
    "matches",
    "normalize_email",
    "parse_secret",
    "password_problem",
    "shell_user",
    "token_name",
    "user_problem",
    "verify_password",
]
