"""When an app counts as uninstalled: two refusals an hour apart, and a week until nothing is left of the shop."""

from __future__ import annotations

import pytest

from service.domain.uninstalling import Step, Uninstall, after_refusal

HOUR, DAY = 3_600_000, 86_400_000
NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("known", "after", "step"),
    [
        pytest.param(Uninstall(NOW), Uninstall(NOW, NOW, 0, NOW + HOUR), "rejected", id="for the first time"),
        pytest.param(
            Uninstall(1, NOW - HOUR + 1),
            Uninstall(1, NOW - HOUR + 1, 0, NOW + 1),
            "waiting",
            id="within the hour",
        ),
        pytest.param(
            Uninstall(1, NOW - HOUR), Uninstall(1, NOW - HOUR, NOW, NOW + HOUR), "paused", id="an hour later"
        ),
        pytest.param(
            Uninstall(1, NOW + DAY), Uninstall(1, NOW, 0, NOW + HOUR), "rejected", id="the clock was set back"
        ),
        pytest.param(
            Uninstall(1, 2, NOW - 7 * DAY + 1),
            Uninstall(1, 2, NOW - 7 * DAY + 1, NOW + HOUR),
            "waiting",
            id="within the week",
        ),
        pytest.param(
            Uninstall(1, 2, NOW - 7 * DAY),
            Uninstall(1, 2, NOW - 7 * DAY, NOW + HOUR),
            "erased",
            id="a week later",
        ),
    ],
)
def test_what_follows_from_a_refusal(known: Uninstall, after: Uninstall, step: Step) -> None:
    assert after_refusal(known, now_ms=NOW) == (after, step)


@pytest.mark.parametrize(
    ("probe_ms", "due"),
    [
        pytest.param(0, True, id="never asked"),
        pytest.param(NOW, True, id="now"),
        pytest.param(NOW + 1, False, id="a moment later"),
        pytest.param(NOW + HOUR, False, id="an hour later"),
        pytest.param(NOW + HOUR + 1, True, id="later than anybody puts it off: the clock was set back"),
    ],
)
def test_haravan_is_asked_when_it_is_time(probe_ms: int, due: bool) -> None:
    assert Uninstall(1, probe_ms=probe_ms).is_due(NOW) is due
