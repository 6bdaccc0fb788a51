"""An uninstalled app: two refusals an hour apart pause the shop, and a week later its data is erased."""

from __future__ import annotations

import pytest

from service.domain.sync.uninstall import UninstallAction, UninstallState, on_refusal

HOUR, DAY = 3_600_000, 86_400_000
NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("known", "after", "action"),
    [
        pytest.param(
            UninstallState(NOW), UninstallState(NOW, NOW, 0, NOW + HOUR), "rejected", id="for the first time"
        ),
        pytest.param(
            UninstallState(1, NOW - HOUR + 1),
            UninstallState(1, NOW - HOUR + 1, 0, NOW + 1),
            "waiting",
            id="within the hour",
        ),
        pytest.param(
            UninstallState(1, NOW - HOUR),
            UninstallState(1, NOW - HOUR, NOW, NOW + HOUR),
            "paused",
            id="an hour later",
        ),
        pytest.param(
            UninstallState(1, NOW + DAY),
            UninstallState(1, NOW, 0, NOW + HOUR),
            "rejected",
            id="the clock was set back",
        ),
        pytest.param(
            UninstallState(1, 2, NOW - 7 * DAY + 1),
            UninstallState(1, 2, NOW - 7 * DAY + 1, NOW + HOUR),
            "waiting",
            id="within the week",
        ),
        pytest.param(
            UninstallState(1, 2, NOW - 7 * DAY),
            UninstallState(1, 2, NOW - 7 * DAY, NOW + HOUR),
            "erased",
            id="a week later",
        ),
    ],
)
def test_what_follows_from_a_refusal(
    known: UninstallState, after: UninstallState, action: UninstallAction
) -> None:
    assert on_refusal(known, now_ms=NOW) == (after, action)


@pytest.mark.parametrize(
    ("probe_ms", "is_due"),
    [
        pytest.param(0, True, id="never probed"),
        pytest.param(NOW, True, id="now"),
        pytest.param(NOW + 1, False, id="a moment later"),
        pytest.param(NOW + HOUR, False, id="an hour later"),
        pytest.param(NOW + HOUR + 1, True, id="later than any plan: the clock was set back"),
    ],
)
def test_a_probe_is_due_at_its_time(probe_ms: int, is_due: bool) -> None:
    assert UninstallState(1, next_probe_ms=probe_ms).is_due(NOW) is is_due
