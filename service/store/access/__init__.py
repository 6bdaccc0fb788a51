"""Access: the tokens of the ops API with their last use, the users of the pages, their sessions and one-time links.

What is stored of a token, a password, a session or a link cannot be turned into it."""

from service.store.access import sessions, tokens, users
from service.store.access.sessions import SessionUse
from service.store.access.tokens import TokenUse

__all__ = ["SessionUse", "TokenUse", "sessions", "tokens", "users"]
