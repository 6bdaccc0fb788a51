"""The judge of writes is judged itself: what must not be is found, what could not be known is forgiven."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.chaos.children import Pause
from tests.chaos.locks import Lines, Ruling, rule

SHOP = "tagger:{p1}:1:"
POST = ["POST", "/com/customers/7/tags.json"]
Line = tuple[str, float, float, str, list[object]]  # kind, asked, answered, turn, facts


def lock(at: float, turn: str) -> Line:
    return ("lease_acquire", at, at, turn, [True])


def permit(at: float, turn: str, said: str = "granted") -> Line:
    return ("permit", at, at, turn, [said, "write", 7])


def write(begun: float, over: float, turn: str) -> list[Line]:
    return [("begun", begun, 0, turn, [*POST]), ("over", over, 0, turn, [*POST, begun])]


def take(at: float, turn: str) -> Line:
    return ("dequeue", at, at, turn, ["ok", [7]])


def judged(folder: Path, lines: list[Line], pauses: list[Pause]) -> Ruling:
    file = folder / "worker.witness"
    file.write_bytes(
        b"".join(
            msgspec.json.encode([1, kind, asked, answered, SHOP, turn, facts]) + b"\n"
            for kind, asked, answered, turn, facts in lines
        )
    )
    return rule(Lines([file]), pauses)


OVERTAKEN = [lock(0, "a"), permit(1, "a"), *write(1.1, 20, "a"), lock(16, "b"), take(17, "b")]


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        pytest.param([lock(0, "a"), permit(1, "a"), *write(1.1, 1.2, "a")], "", id="in time"),
        pytest.param(
            [lock(0, "a"), permit(1, "a"), *write(9, 9.1, "a")], "8.0 s after its permit", id="late"
        ),
        pytest.param([lock(0, "a"), *write(1, 1.1, "a")], "without a permit", id="no permit"),
        pytest.param(
            [lock(0, "a"), permit(1, "a"), permit(1.1, "a", "lease_lost"), *write(1.2, 1.3, "a")],
            "after the turn knew",
            id="after lost",
        ),
        pytest.param(OVERTAKEN, "not read again", id="nobody looked after the write"),
        pytest.param([*OVERTAKEN, take(21, "b")], "", id="somebody looked after the write"),
    ],
)
def test_a_write_is_blamed_for_what_its_turn_could_know(
    tmp_path: Path, lines: list[Line], wrong: str
) -> None:
    ruling = judged(tmp_path, lines, [])

    assert wrong in " ".join(ruling.wrong)
    assert bool(ruling.wrong) == bool(wrong)


@pytest.mark.parametrize(
    ("woke", "forgiven"), [pytest.param(8.9, 1, id="just woken"), pytest.param(5, 0, id="awake for long")]
)
def test_a_late_write_is_forgiven_only_right_after_a_standstill(
    tmp_path: Path, woke: float, forgiven: int
) -> None:
    lines = [lock(0, "a"), permit(1, "a"), *write(9, 9.1, "a")]

    ruling = judged(tmp_path, lines, [Pause(1, 1.5, woke)])

    assert ruling.unknowable == forgiven
    assert len(ruling.wrong) == 1 - forgiven
