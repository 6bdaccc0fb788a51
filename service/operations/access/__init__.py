"""Who may use the service: tokens of the ops API, users of the pages, and how users sign in.

The ops API, the pages and the command line call these functions. Each change is recorded in the audit log of the service."""

from service.operations.access.sign_in import (
    SignedIn,
    end_session,
    end_sessions,
    list_sessions,
    set_password,
    sign_in,
    sign_in_by_link,
)
from service.operations.access.tokens import add_token, list_tokens, revoke_token
from service.operations.access.users import add_user, change_user, create_link, list_users, remove_user

__all__ = [
    "SignedIn",
    "add_token",
    "add_user",
    "change_user",
    "create_link",
    "end_session",
    "end_sessions",
    "list_sessions",
    "list_tokens",
    "list_users",
    "remove_user",
    "revoke_token",
    "set_password",
    "sign_in",
    "sign_in_by_link",
]
