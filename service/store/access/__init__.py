"""Access: the tokens of the ops API with their last use.

What is stored of a token cannot be turned into the token."""

from service.store.access import tokens
from service.store.access.tokens import TokenUse

__all__ = ["TokenUse", "tokens"]
