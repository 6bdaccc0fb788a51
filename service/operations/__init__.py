"""What people ask for about customers, shops and tokens: replay, claims, exclusions, explanations, pauses.

The ops API and the command line call these functions, and a worker executes claims. Each change is recorded in the audit
log."""

from service.operations import claims, exclusions
from service.operations.claims import Claim
from service.operations.dead_letters import discard_dead_letters, retry_dead_letters
from service.operations.exclusions import Exclusion
from service.operations.explain import explain_for_shop
from service.operations.replay import Selection, create_replay, select_customers
from service.operations.shops import (
    add_shop,
    pause_shop,
    remove_shop,
    replace_token,
    replace_webhook_secret,
    resume_shop,
)
from service.operations.tokens import add_token, list_tokens, revoke_token

__all__ = [
    "Claim",
    "Exclusion",
    "Selection",
    "add_shop",
    "add_token",
    "claims",
    "create_replay",
    "discard_dead_letters",
    "exclusions",
    "explain_for_shop",
    "list_tokens",
    "pause_shop",
    "remove_shop",
    "replace_token",
    "replace_webhook_secret",
    "resume_shop",
    "retry_dead_letters",
    "revoke_token",
    "select_customers",
]
