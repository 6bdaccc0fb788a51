"""Which keys a backup has, and a part: some of the entries of one key, as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from service.store.shops import uninstall

Kind = Literal["string", "hash", "list", "stream"]

# Of each customer. They are read together, so what a backup has of one customer is of one moment.
CUSTOMER_HASHES: Final = (
    "owned",
    "holds",
    "intents",
    "exclusions",
    "reverts",
    "pending_restores",
    "ledger_by_customer",
    "drift_by_customer",
)
STATE_FIELDS: Final = ("paused", "paused_since", "paused_by", "removals_paused", *uninstall.FIELDS)

SHOP_KEYS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(CUSTOMER_HASHES, "hash"),
    "shop": "hash",
    "data_keys": "hash",
    "state": "hash",  # of it `STATE_FIELDS`
    "first_look": "string",
    "live_version": "string",
    "working_copy": "string",
    "working_copy_undo": "list",
    "working_copy_redo": "list",
    "review": "string",
    "approval_request": "string",
    "scheduled_publish": "string",
    "freeze": "string",
    "run_seq": "string",
    "endpoints": "hash",
    "endpoint_states": "hash",
    "endpoint_seq": "string",
    "versions": "hash",
    "inherited": "hash",
    "documents": "hash",
    "ledger": "stream",
    "drift": "stream",
    "audit": "stream",
    "audit_anchor": "hash",
}
SERVICE_KEYS: Final[Mapping[str, Kind]] = {
    "tokens": "hash",
    "users": "hash",
    "audit": "stream",
    "audit_anchor": "hash",
}
# Every other key of a shop or of the service: it comes back when customers are read again, or is worth nothing later.
NOT_IN_BACKUP: Final = frozenset(
    {
        *(
            "generation_seq",
            "wakeup_seq",
            "mark:{customer}",
            "ready:live, ready:bulk",
            "planned:live, …:bulk",
        ),
        *(
            "delayed",
            "unsettled",
            "suspects",
            "echo_digests",
            "latest_updated_at",
            "lease",
            "lease_process",
            "wakeup_pending",
        ),
        *(
            "rate_limit",
            "in_flight",
            "dead_letters",
            "unexplained_removals",
            "alert_sent:{kind}",
        ),  # the queue
        *(
            "snapshots",
            "schedule",
            "shadow_digests",
            "tombstone:{customer}",
            "erased:{customer}",
        ),  # what a drain stores
        *(
            "nightly",
            "nightly:lock",
            "reconcile_requests",
            "scanned_page",
            "retention_cursors",
            "subscription",
        ),  # scans
        *("deliveries", "deliveries_by_customer:{customer}", "delivery_ids:{day}", "repeats:{day}"),
        *("delivery_counts", "rejections", "rejection_streak", "orgs"),  # webhooks
        *("notices", "endpoint_lock:{id}", "dead_events:{id}", "event_retries:{id}"),  # events
        *("runs", "guarded_runs", "run:{id}", "run:{id}:remaining", "run:{id}:waiting", "day_counts:{day}"),
        *("token_uses", "sessions:{user}", "session_uses:{user}", "sign_in_link:{user}"),  # access
        *(
            "answers:{owner}",
            "answer:{owner}:{digest}",
            "token_check:{id}",
            "token_answer:{id}",
        ),  # of the ops API
        *("editing", "task:{name}"),  # pages
        *("backup", "staged:{id}:{key}"),  # of backups themselves
    }
)


class Part(msgspec.Struct, frozen=True, array_like=True, tag="part"):
    """Some of the entries of a key.

    An entry of a hash is a field and its value; of a list or a string one value, in order; of a stream the entry's id, then
    fields and values.
    """

    name: str
    kind: Kind
    entries: tuple[tuple[bytes, ...], ...]
