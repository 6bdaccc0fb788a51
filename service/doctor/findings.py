"""Findings: their keys, how bad each is, and the command that repairs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from service.domain.customers import OrgId
from service.domain.explain import Translator
from service.store.shops import DEFAULT_TIMEZONE


class Severity(StrEnum):
    """`critical`: tags are wrong or late, or soon will be: somebody should be woken. `warning`: look at it this week."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


CONFIRMATIONS: Final = (
    "alerts",
    "backup",
    "dead_letters",
    "endpoint_off",
    "frozen",
    "queue",
    "rules",
    "shop",
    "store",
    "subscription",
    "token",
    "webhooks",
    "workers",
)
# Each key with the command that repairs it; "" if no command does. The text of a key is `doctor.<key>` in the catalogs,
# and deploy/RUNBOOK.md describes each key that is not a confirmation.
COMMANDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(CONFIRMATIONS, ""),
    # the service
    "alerts_missing": "",
    "backup_late": "tagger backup FILE",
    "backup_missing": "tagger backup FILE --every 24",
    "backup_old": "tagger backup FILE --every 24",
    "clock_skew": "",
    "settings_slip": "",
    "shops_missing": "tagger shops add ORG",
    "store_arriving": "",
    "store_cluster_node": "",
    "store_config_hidden": "",
    "store_cuts_torn_log": "",
    "store_emptied": "tagger shops list",
    "store_erasure_pending": "",
    "store_erasure_unreachable": "tagger store status",
    "store_full_coverage_required": "redis-cli CONFIG SET cluster-require-full-coverage no",
    "store_evicts": "redis-cli CONFIG SET maxmemory-policy noeviction",
    "store_layout_newer": "",
    "store_layout_older": "tagger migrate",
    "store_moved": "tagger store move --to URL",
    "store_nearly_full": "",
    "store_no_append_only_file": "redis-cli CONFIG SET appendonly yes",
    "store_no_fsync_on_rewrite": "redis-cli CONFIG SET no-appendfsync-on-rewrite no",
    "store_no_replica": "",
    "store_not_durable": "redis-cli CONFIG SET appendonly yes appendfsync always",
    "store_replica": "",
    "store_replica_away": "tagger store status",
    "store_replica_behind": "tagger store status",
    "store_rewound": "",
    "store_server_away": "",
    "store_slow_failover": "redis-cli CONFIG SET cluster-node-timeout 1500",
    "store_uncovered_slots": "tagger store status",
    "store_writes_without_replica": "redis-cli CONFIG SET min-replicas-to-write 1",
    "webhooks_unattributed": "",
    "webhooks_unknown_shop": "tagger shops add {other}",
    "workers_missing": "tagger worker",
    "workers_stopped": "tagger worker",
    # a shop
    "approval_requested": "",
    "breaker_read": "",
    "breaker_write": "tagger dead-letters list {org}",
    "dead_letters_open": "tagger dead-letters list {org}",
    "endpoint_disabled": "tagger events enable {org} {endpoint}",
    "fields_missing": "tagger rules values {org} {field}",
    "first_look_pending": "tagger backfill {org}",
    "first_look_waiting": "tagger shops approve {org} --dry-run",
    "freeze_waiting": "tagger shops unfreeze {org} --dry-run",
    "keys_old": "tagger keys rotate",
    "keys_unreadable": "tagger keys status",
    "manual_changes": "",
    "queue_late": "tagger worker",
    "reconcile_late": "tagger reconcile {org}",
    "removals_paused": "tagger shops resume {org} --removals",
    "rules_missing": "tagger rules publish {org} FILE",
    "rules_of_other_shop": "tagger rules publish {org} FILE",
    "rules_unreadable": "tagger rules publish {org} FILE",
    "scheduled_publish_stopped": "tagger rules publish-scheduled {org} --dry-run",
    "secret_missing": "tagger shops secret {org}",
    "shadow_mode": "tagger shops live {org} --dry-run",
    "shop_over_quota": "tagger deliveries {org}",
    "shop_paused": "tagger shops resume {org}",
    "shop_paused_token": "tagger shops token {org}",
    "shop_uninstalled": "tagger shops token {org}",
    "values_unknown": "tagger rules values {org} {field}",
    "webhooks_compressed": "",
    "webhooks_never": "tagger subscription status {org}",
    "webhooks_refused": "tagger shops secret {org}",
    "webhooks_silent": "tagger subscription status {org}",
    "webhooks_without_secret": "tagger shops secret {org}",
    # what Haravan says about a shop
    "haravan_unavailable": "",
    "scope_missing": "tagger shops token {org}",
    "subscription_missing": "tagger subscription add {org}",
    "subscription_unknown": "tagger shops token {org}",
    "token_of_other_shop": "tagger shops token {org}",
    "token_rejected": "tagger shops token {org}",
    "topic_missing": "",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact. `text` says what happened and why, in the reader's language. `command` repairs it; "" if none does."""

    key: str
    severity: Severity
    org: OrgId | None  # None: it is about the service, not about one shop
    text: str
    command: str


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of one diagnosis: those of the service first, then shop by shop."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Severity:
        """The worst severity of all findings."""
        return max((finding.severity for finding in self.findings), key=_RANK.index, default=Severity.OK)


class Writer:
    """Writes findings about one shop, or about the service."""

    def __init__(
        self, words: Translator, *, org: OrgId | None = None, timezone: str = DEFAULT_TIMEZONE
    ) -> None:
        self.words = words
        self._org = org
        self._timezone = timezone
        self.findings: list[Finding] = []

    def add(self, severity: Severity, key: str, **params: object) -> None:
        """Add a finding. Whole numbers are written with separators, and `x_ms` fills the placeholder `x` with a time."""
        command = COMMANDS[key].format(org=self._org, **params)
        values = dict(self._format(name, value) for name, value in params.items())
        text = self.words(f"doctor.{key}", org=self._org, **values)
        self.findings.append(Finding(key, severity, self._org, text, command))

    def ok(self, key: str, **params: object) -> None:
        """Add a confirmation."""
        self.add(Severity.OK, key, **params)

    def warn(self, key: str, **params: object) -> None:
        """Add a warning."""
        self.add(Severity.WARNING, key, **params)

    def alarm(self, key: str, **params: object) -> None:
        """Add a critical finding."""
        self.add(Severity.CRITICAL, key, **params)

    def _format(self, name: str, value: object) -> tuple[str, object]:
        if name.endswith("_ms") and isinstance(value, int):
            moment = datetime.fromtimestamp(value / 1000, UTC).astimezone(ZoneInfo(self._timezone))
            return name.removesuffix("_ms"), self.words.moment(moment)
        return name, self.words.number(value) if isinstance(value, int) else value


_RANK: Final = [*Severity]
