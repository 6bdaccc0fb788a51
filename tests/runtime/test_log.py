"""Log lines have no forbidden field, and floods are limited."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from service.runtime.log import LogFormat, configure_logging, last_frames, without_control_characters

pytestmark = pytest.mark.usefixtures("_logging")


def test_a_field_that_must_not_be_logged_is_blanked(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")

    structlog.get_logger().info("customer", customer=7, email="a@example.com", phone="0900000001", token="t")

    line = json.loads(capsys.readouterr().err)
    assert (line["email"], line["phone"], line["token"]) == ("[not logged]",) * 3
    assert line["customer"] == 7


def test_a_traceback_of_a_library_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")

    try:
        raise RuntimeError("broken")
    except RuntimeError:
        logging.getLogger("arq").exception("a job failed")

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "RuntimeError: broken" in json.loads(lines[0])["exception"]


def test_a_flood_of_invalid_requests_is_one_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    moments = iter([1.0, 1.0, 2.0, 2.0, 60.0, 60.0, 61.0, 61.0, 62.0, 62.0])
    configure_logging("json", clock=lambda: next(moments))
    server = logging.getLogger("uvicorn.error")

    for _ in range(5):
        server.warning("Invalid HTTP request received.")
        server.error("broken")

    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events.count("Invalid HTTP request received.") == 2
    assert events.count("broken") == 5


HOSTILE = "a\x1b[31mred\x9b1m\u202egnol\u2028b\nforged\tline\x7f\ud800 Đặng 😀"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_control_character_reaches_a_terminal(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    configure_logging(log_format)

    structlog.get_logger().info("customer", detail=HOSTILE, more={"tags": [HOSTILE]})
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        structlog.get_logger().exception("broken")
        logging.getLogger("arq").exception("broken %s", HOSTILE)

    written = capsys.readouterr().err
    assert "Đặng 😀" in written
    assert {character for character in written if not character.isprintable()} <= {"\n"}
    assert "\nforged" not in written


def test_a_text_without_control_characters_is_the_same() -> None:
    assert without_control_characters("Khách\u00a0quen 👩‍💻"[:11]) == "Khách\u00a0quen "
    assert without_control_characters("a\r\n\tb\x00c") == "a bc"


def test_last_frames_have_no_values() -> None:
    with pytest.raises(ValueError, match="Ánh") as caught:
        raise ValueError("Nguyễn Thị Ánh")

    assert last_frames(caught.value).startswith("ValueError at test_log.py:")
