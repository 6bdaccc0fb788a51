"""The check of writes: a forbidden write is found, and a write whose process could not know is excused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.chaos.lease_check import Traces, WriteReport, check_writes
from tests.chaos.processes import Pause

SHOP = "tagger:{p1}:1:"
POST = ["POST", "/com/customers/7/tags.json"]
Line = tuple[str, float, float, str, list[object]]  # kind, requested, answered, lease token, facts


def acquire(at: float, token: str) -> Line:
    return ("lease_acquire", at, at, token, [True])


def permit(at: float, token: str, answer: str = "granted") -> Line:
    return ("permit", at, at, token, [answer, "write", 7])


def write(started: float, ended: float, token: str) -> list[Line]:
    return [("started", started, 0, token, [*POST]), ("ended", ended, 0, token, [*POST, started])]


def dequeue(at: float, token: str) -> Line:
    return ("dequeue", at, at, token, ["ok", [7]])


def check(folder: Path, lines: list[Line], pauses: list[Pause]) -> WriteReport:
    file = folder / "worker.trace"
    file.write_bytes(
        b"".join(
            msgspec.json.encode([1, kind, requested, answered, SHOP, token, facts]) + b"\n"
            for kind, requested, answered, token, facts in lines
        )
    )
    return check_writes(Traces([file]), pauses)


OVERTAKEN = [acquire(0, "a"), permit(1, "a"), *write(1.1, 20, "a"), acquire(16, "b"), dequeue(17, "b")]


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        pytest.param([acquire(0, "a"), permit(1, "a"), *write(1.1, 1.2, "a")], "", id="in time"),
        pytest.param(
            [acquire(0, "a"), permit(1, "a"), *write(9, 9.1, "a")], "8.0 s after its permit", id="late"
        ),
        pytest.param([acquire(0, "a"), *write(1, 1.1, "a")], "without a permit", id="no permit"),
        pytest.param(
            [acquire(0, "a"), permit(1, "a"), permit(1.1, "a", "lease_lost"), *write(1.2, 1.3, "a")],
            "after the run knew",
            id="after lost",
        ),
        pytest.param(OVERTAKEN, "not read again", id="not read after the write"),
        pytest.param([*OVERTAKEN, dequeue(21, "b")], "", id="read after the write"),
    ],
)
def test_a_write_is_wrong_if_its_run_could_know_that_it_must_not_write(
    tmp_path: Path, lines: list[Line], wrong: str
) -> None:
    report = check(tmp_path, lines, [])

    assert wrong in " ".join(report.wrong)
    assert bool(report.wrong) == bool(wrong)


@pytest.mark.parametrize(
    ("woke", "excused"),
    [pytest.param(8.9, 1, id="just continued"), pytest.param(5, 0, id="continued long ago")],
)
def test_a_late_write_is_excused_only_right_after_a_stop(tmp_path: Path, woke: float, excused: int) -> None:
    lines = [acquire(0, "a"), permit(1, "a"), *write(9, 9.1, "a")]

    report = check(tmp_path, lines, [Pause(1, 1.5, woke)])

    assert report.excused == excused
    assert len(report.wrong) == 1 - excused
