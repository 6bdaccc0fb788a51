"""What people ask for about customers, shops, access and keys: replays, dead letters, claims, exclusions, explanations, personal data.

The ops API and the command line call these functions, and a worker executes claims. Each change is recorded in the audit
log."""

from service.operations import access, claims, replay
from service.operations.access import add_token, list_tokens, revoke_token
from service.operations.claims import Claim
from service.operations.customers import (
    Erasure,
    Exclusion,
    Explained,
    erase_personal_data,
    exclusions,
    explain_for_shop,
    export_personal_data,
    format_cause,
    format_dead_letter,
    format_values,
    load_record,
    outcome_text,
    search,
)
from service.operations.dead_letters import (
    LetterFilter,
    LetterGroup,
    drop_dead_letters,
    find_letters,
    group_key,
    group_letters,
    retry_dead_letters,
)
from service.operations.events import EndpointStatus, NewSecret, endpoints
from service.operations.field_values import load_field_values, values_to_dict
from service.operations.replay import (
    MAX_PER_MINUTE,
    Selection,
    cancel_replay,
    count_replay,
    describe_run,
    pause_replay,
    resume_replay,
    start_replay,
)
from service.operations.scans import ScanArgs, describe_scan, no_rules, request_scan
from service.operations.shops import (
    add_shop,
    pause_shop,
    remove_shop,
    replace_token,
    replace_webhook_secret,
    resume_shop,
    rotate_keys,
)
from service.operations.subscription import load_subscription, request_subscription
from service.operations.token_checks import AskAboutToken, ask_worker

__all__ = [
    "MAX_PER_MINUTE",
    "AskAboutToken",
    "Claim",
    "EndpointStatus",
    "Erasure",
    "Exclusion",
    "Explained",
    "LetterFilter",
    "LetterGroup",
    "NewSecret",
    "ScanArgs",
    "Selection",
    "access",
    "add_shop",
    "add_token",
    "ask_worker",
    "cancel_replay",
    "claims",
    "count_replay",
    "describe_run",
    "describe_scan",
    "drop_dead_letters",
    "endpoints",
    "erase_personal_data",
    "exclusions",
    "explain_for_shop",
    "export_personal_data",
    "find_letters",
    "format_cause",
    "format_dead_letter",
    "format_values",
    "group_key",
    "group_letters",
    "list_tokens",
    "load_field_values",
    "load_record",
    "load_subscription",
    "no_rules",
    "outcome_text",
    "pause_replay",
    "pause_shop",
    "remove_shop",
    "replace_token",
    "replace_webhook_secret",
    "replay",
    "request_scan",
    "request_subscription",
    "resume_replay",
    "resume_shop",
    "retry_dead_letters",
    "revoke_token",
    "rotate_keys",
    "search",
    "start_replay",
    "values_to_dict",
]
