"""What is wrong with the service: Redis, the workers, the settings, and webhooks that belong to no shop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.doctor.findings import Severity, Writer
from service.settings import Settings
from service.store.backup import BackupStatus
from service.store.client import ServerCheck
from service.store.history import StoreLoss, Tally, WebhookReport
from service.store.topology import URGENT_CHECKS, RewriteState

MAX_HEARTBEAT_AGE_S: Final = 60
MAX_SKEW_S: Final = 30
CRITICAL_SKEW_S: Final = 3_600  # rules with dates may use another day
HOUR_MS: Final = 3_600_000
RECENT_MS: Final = 24 * HOUR_MS
BACKUP_GRACE_MS: Final = 2 * HOUR_MS  # a backup takes its time, and a schedule may start late
MAX_BACKUP_AGE_MS: Final = 7 * 24 * HOUR_MS  # without a schedule

# The check of the server -> the key of its finding.
STORE_KEYS: Final[Mapping[str, str]] = {
    name: f"store_{name}"
    for name in (
        "arriving",
        "cluster_node",
        "config_hidden",
        "cuts_torn_log",
        "evicts",
        "full_coverage_required",
        "layout_newer",
        "layout_older",
        "moved",
        "nearly_full",
        "no_append_only_file",
        "no_fsync_on_rewrite",
        "no_replica",
        "not_durable",
        "replica",
        "replica_away",
        "replica_behind",
        "server_away",
        "slow_failover",
        "uncovered_slots",
        "writes_without_replica",
    )
}
CRITICAL_CHECKS: Final = (
    URGENT_CHECKS  # webhooks are answered 503, or a second failure would have that effect
)


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """The service at one moment."""

    now_ms: int  # of the Redis server
    skew_s: float  # the clock of this process minus that of the Redis server
    server: str  # Valkey 8.1.3
    memory: str  # 12.5M, or ? if the server does not say
    checks: tuple[ServerCheck, ...]
    rewrite: RewriteState
    heartbeat_ms: int | None  # of the workers; None before the first
    webhooks: WebhookReport
    shops: int
    losses: tuple[StoreLoss, ...] = ()  # of data in Redis, in the last week
    backup: BackupStatus | None = None  # the last one


def judge_service(facts: ServiceFacts, settings: Settings, writer: Writer) -> None:
    """Write the findings about the service."""
    _judge_store(facts, writer)
    _judge_workers(facts, writer)
    _judge_settings(facts, settings, writer)
    _judge_webhooks(facts, writer)
    _judge_backup(facts, writer)
    is_complete = all(check.name != "server_away" for check in facts.checks)
    if is_complete and not facts.shops:  # the shops may be on the server that is away
        writer.alarm("shops_missing")


def _judge_store(facts: ServiceFacts, writer: Writer) -> None:
    checks: dict[str, list[ServerCheck]] = {}
    for check in facts.checks:
        checks.setdefault(check.name, []).append(check)
    for name, alike in checks.items():
        is_critical = name in CRITICAL_CHECKS or any(check.level == "refused" for check in alike)
        servers = ", ".join(check.server for check in alike)
        severity = Severity.CRITICAL if is_critical else Severity.WARNING
        writer.add(severity, STORE_KEYS[name], servers=servers)
    rewrite = facts.rewrite
    if rewrite.refused:
        writer.warn("store_erasure_pending", servers=", ".join(rewrite.refused))
    if rewrite.away and facts.now_ms - rewrite.erased_ms > RECENT_MS:
        writer.alarm("store_erasure_unreachable", servers=", ".join(rewrite.away))
    skew_s = round(abs(facts.skew_s))
    if skew_s > MAX_SKEW_S:
        severity = Severity.CRITICAL if skew_s > CRITICAL_SKEW_S else Severity.WARNING
        writer.add(severity, "clock_skew", time=writer.words.plural("seconds", skew_s))
    for loss in facts.losses:
        is_new = facts.now_ms - loss.at_ms < RECENT_MS
        writer.add(
            Severity.CRITICAL if is_new and loss.kind == "emptied" else Severity.WARNING,
            f"store_{loss.kind}",
            at_ms=loss.at_ms,
            since_ms=loss.since_ms,
            shops=loss.shops,
        )
    if not facts.checks:
        writer.ok("store", server=facts.server, memory=facts.memory)


def _judge_workers(facts: ServiceFacts, writer: Writer) -> None:
    if facts.heartbeat_ms is None:
        writer.alarm("workers_missing")
        return
    age_s = (facts.now_ms - facts.heartbeat_ms) / 1000 + facts.skew_s  # a worker beats by its own clock
    if age_s > MAX_HEARTBEAT_AGE_S:
        writer.alarm("workers_stopped", since_ms=facts.heartbeat_ms)
    else:
        writer.ok("workers")


def _judge_settings(facts: ServiceFacts, settings: Settings, writer: Writer) -> None:
    for name in dict.fromkeys(warning.partition(":")[0] for warning in settings.warnings):
        writer.warn("settings_slip", setting=name)
    if settings.alert_urls:
        writer.ok("alerts")
    else:
        writer.warn("alerts_missing")


def _judge_webhooks(facts: ServiceFacts, writer: Writer) -> None:
    """Anybody can send a webhook without a signature, so those only count for a day, and as a warning."""
    unknown = facts.webhooks.unknown_shops
    if unknown:
        tally = _sum(unknown)
        by_count = sorted(unknown, key=lambda org: unknown[org].count, reverse=True)
        named = [f"{org} ({writer.words.number(unknown[org].count)})" for org in by_count]
        is_recent = facts.now_ms - tally.last_ms < RECENT_MS
        writer.add(
            Severity.CRITICAL if is_recent else Severity.WARNING,
            "webhooks_unknown_shop",
            count=tally.count,
            other=next(filter(str.isdigit, by_count), "ORG"),
            orgs=writer.words.truncate_list(named),
            since_ms=tally.first_ms,
        )
    refused = facts.webhooks.unattributed
    if refused and facts.now_ms - (tally := _sum(refused)).last_ms < RECENT_MS:
        writer.warn("webhooks_unattributed", count=tally.count, since_ms=tally.first_ms)


def _judge_backup(facts: ServiceFacts, writer: Writer) -> None:
    last = facts.backup
    if last is None:
        if facts.shops:
            writer.warn("backup_missing")
        return
    age_ms = facts.now_ms - last.at_ms
    if last.every_h and age_ms > last.every_h * HOUR_MS + BACKUP_GRACE_MS:
        writer.warn("backup_late", last_ms=last.at_ms, every=writer.words.plural("hours", last.every_h))
    elif not last.every_h and age_ms > MAX_BACKUP_AGE_MS:
        writer.warn("backup_old", last_ms=last.at_ms)
    else:
        writer.ok("backup", last_ms=last.at_ms)


def _sum(tallies: Mapping[str, Tally]) -> Tally:
    first, *others = tallies.values()
    return sum(others, first)
