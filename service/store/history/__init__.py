"""History: deliveries, the ledger of tag writes, day counts, manual changes, the audit log, rejections, changes of the store.

Other rooms append to it and list it."""

from service.store.history import (
    audit_log,
    day_counts,
    deliveries,
    drift,
    ledger,
    rejections,
    store_changes,
)
from service.store.history.audit_log import AuditEntry, AuditFilter, AuditRow, Verification
from service.store.history.day_counts import DayCounts, TagChanges, TagOfRule
from service.store.history.deliveries import (
    UNKNOWN_SHOP,
    Delivery,
    DeliveryFilter,
    trim_unknown_shop,
)
from service.store.history.ledger import (
    Found,
    LedgerEntry,
    LedgerFilter,
    LedgerRow,
    encode_entry,
    find_newest,
    prior_state,
    to_undo_record,
)
from service.store.history.rejections import ShopWebhooks, Tally, WebhookReport, load_webhook_report
from service.store.history.retention import apply_retention
from service.store.history.store_changes import StoreLoss

__all__ = [
    "UNKNOWN_SHOP",
    "AuditEntry",
    "AuditFilter",
    "AuditRow",
    "DayCounts",
    "Delivery",
    "DeliveryFilter",
    "Found",
    "LedgerEntry",
    "LedgerFilter",
    "LedgerRow",
    "ShopWebhooks",
    "StoreLoss",
    "TagChanges",
    "TagOfRule",
    "Tally",
    "Verification",
    "WebhookReport",
    "apply_retention",
    "audit_log",
    "day_counts",
    "deliveries",
    "drift",
    "encode_entry",
    "find_newest",
    "ledger",
    "load_webhook_report",
    "prior_state",
    "rejections",
    "store_changes",
    "to_undo_record",
    "trim_unknown_shop",
]
