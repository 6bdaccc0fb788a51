"""What people ask for about customers, shops, access and keys: replay, claims, exclusions, explanations, personal data.

The ops API and the command line call these functions, and a worker executes claims. Each change is recorded in the audit
log."""

from service.operations import access, claims, exclusions, search
from service.operations.access import add_token, list_tokens, revoke_token
from service.operations.claims import Claim
from service.operations.exclusions import Exclusion
from service.operations.explain import Explained, explain_for_shop
from service.operations.explain_text import format_cause, format_dead_letter, format_values, outcome_text
from service.operations.personal_data import Erasure, erase_personal_data, export_personal_data
from service.operations.replay import (
    Selection,
    create_replay,
    discard_dead_letters,
    retry_dead_letters,
    select_customers,
)
from service.operations.shops import (
    add_shop,
    pause_shop,
    remove_shop,
    replace_token,
    replace_webhook_secret,
    resume_shop,
    rotate_keys,
)

__all__ = [
    "Claim",
    "Erasure",
    "Exclusion",
    "Explained",
    "Selection",
    "access",
    "add_shop",
    "add_token",
    "claims",
    "create_replay",
    "discard_dead_letters",
    "erase_personal_data",
    "exclusions",
    "explain_for_shop",
    "export_personal_data",
    "format_cause",
    "format_dead_letter",
    "format_values",
    "list_tokens",
    "outcome_text",
    "pause_shop",
    "remove_shop",
    "replace_token",
    "replace_webhook_secret",
    "resume_shop",
    "retry_dead_letters",
    "revoke_token",
    "rotate_keys",
    "search",
    "select_customers",
]
