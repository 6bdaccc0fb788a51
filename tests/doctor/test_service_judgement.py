"""Findings about the service that need another server or another clock than a test has."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from service.doctor.findings import COMMANDS, Writer
from service.doctor.service_judgement import CRITICAL_CHECKS, STORE_KEYS, ServiceFacts, judge_service
from service.locales import translator_for
from service.settings import Settings
from service.store.backup import BackupStatus
from service.store.client import ServerCheck
from service.store.history import StoreLoss, Tally, WebhookReport
from service.store.history.store_changes import LossKind
from service.store.topology import RewriteState

NOW_MS: Final = 1_795_150_800_000
HEALTHY: Final = ServiceFacts(
    now_ms=NOW_MS,
    skew_s=0.2,
    server="Valkey 8.1.8",
    memory="2M",
    checks=(),
    rewrite=RewriteState(0),
    heartbeat_ms=NOW_MS - 5_000,
    webhooks=WebhookReport((), {}),
    shops=1,
    backup=BackupStatus(NOW_MS - 3_600_000, every_h=24),
)
SETTINGS: Final = Settings(alert_urls=("json://127.0.0.1",))


def severities(facts: ServiceFacts) -> dict[str, str]:
    """The findings that are no confirmations."""
    writer = Writer(translator_for("en"))
    judge_service(facts, SETTINGS, writer)
    return {each.key: each.severity.value for each in writer.findings if each.severity != "ok"}


def test_a_healthy_service_has_only_confirmations() -> None:
    assert severities(HEALTHY) == {}


@pytest.mark.parametrize(
    ("skew_s", "found"),
    [
        (20.0, {}),
        (-40.0, {"clock_skew": "warning"}),
        (7_200.0, {"clock_skew": "critical"}),
        (-7_200.0, {"clock_skew": "critical"}),
    ],
)
def test_clocks_that_differ_are_found_and_do_not_make_workers_look_dead(
    skew_s: float, found: dict[str, str]
) -> None:
    heartbeat_ms = NOW_MS - 5_000 + int(skew_s * 1000)  # the workers have the clock of this machine

    assert severities(replace(HEALTHY, skew_s=skew_s, heartbeat_ms=heartbeat_ms)) == found


@pytest.mark.parametrize("name", STORE_KEYS)
def test_each_check_of_the_server_has_a_finding(name: str) -> None:
    refused = replace(HEALTHY, checks=(ServerCheck("refused", name, "…"),))
    noted = replace(HEALTHY, checks=(ServerCheck("note", name, "…"),))

    assert severities(refused) == {f"store_{name}": "critical"}
    assert severities(noted) == {f"store_{name}": "critical" if name in CRITICAL_CHECKS else "warning"}


@pytest.mark.parametrize(
    ("kind", "age_ms", "severity"),
    [("emptied", 3_600_000, "critical"), ("emptied", 48 * 3_600_000, "warning"), ("rewound", 0, "warning")],
)
def test_a_loss_of_data_is_found_for_a_week(kind: LossKind, age_ms: int, severity: str) -> None:
    loss = StoreLoss(kind, at_ms=NOW_MS - age_ms, since_ms=NOW_MS - age_ms - 900_000, shops=1)

    assert severities(replace(HEALTHY, losses=(loss,))) == {f"store_{kind}": severity}


def test_erased_data_that_stays_on_the_disk_is_found() -> None:
    waiting = RewriteState(NOW_MS - 5, ("10.0.0.1:6379",))
    pending = replace(waiting, refused=waiting.waiting)

    assert severities(replace(HEALTHY, rewrite=pending)) == {"store_erasure_pending": "warning"}
    assert severities(replace(HEALTHY, rewrite=waiting)) == {}


def test_a_server_that_was_not_reached_for_a_day_keeps_erased_data() -> None:
    away = RewriteState(NOW_MS - 25 * 3_600_000, ("10.0.0.1:6379",), away=("10.0.0.1:6379",))

    assert severities(replace(HEALTHY, rewrite=away)) == {"store_erasure_unreachable": "critical"}
    assert severities(replace(HEALTHY, rewrite=replace(away, erased_ms=NOW_MS - 5))) == {}


def test_a_service_without_shops_is_not_set_up_and_has_nothing_to_back_up() -> None:
    assert severities(replace(HEALTHY, shops=0, backup=None)) == {"shops_missing": "critical"}


@pytest.mark.parametrize(
    ("every_h", "age_h", "found"),
    [
        (24, 25, {}),
        (24, 27, {"backup_late": "warning"}),
        (24 * 30, 24 * 20, {}),  # what the schedule says is not old
        (0, 24 * 6, {}),
        (0, 24 * 8, {"backup_old": "warning"}),
    ],
)
def test_a_backup_is_late_by_its_schedule_and_old_without_one(
    every_h: int, age_h: int, found: dict[str, str]
) -> None:
    backup = BackupStatus(NOW_MS - age_h * 3_600_000, every_h)

    assert severities(replace(HEALTHY, backup=backup)) == found


def test_unknown_shops_are_critical_for_a_day_and_refused_strangers_are_forgotten_then() -> None:
    recent, old = Tally(5, NOW_MS - 9_000, NOW_MS - 9_000), Tally(5, 1, NOW_MS - 2 * 24 * 3_600_000)

    def webhooks(tally: Tally) -> ServiceFacts:
        report = WebhookReport((), {"bad_signature": tally}, {"1000114691": tally, "-": tally})
        return replace(HEALTHY, webhooks=report)

    assert severities(webhooks(recent)) == {
        "webhooks_unknown_shop": "critical",
        "webhooks_unattributed": "warning",
    }
    assert severities(webhooks(old)) == {"webhooks_unknown_shop": "warning"}


def test_every_key_has_a_text_in_both_languages() -> None:
    for language in ("vi", "en"):
        words = translator_for(language)
        assert [key for key in COMMANDS if not words.has(f"doctor.{key}")] == []
