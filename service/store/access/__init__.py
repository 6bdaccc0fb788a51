"""Access: tokens, users, sessions, one-time links, and the answers of the ops API that are kept for repeated requests.

What is stored of a token, a password, a session or a link cannot be turned into it."""

from service.store.access import answers, sessions, tokens, users
from service.store.access.sessions import SessionUse
from service.store.access.tokens import TokenUse

__all__ = ["SessionUse", "TokenUse", "answers", "sessions", "tokens", "users"]
