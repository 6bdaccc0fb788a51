"""Help and errors of usage are Vietnamese for somebody who reads Vietnamese."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.cli.app import build_app, run_command
from deploy.cli.parser_text import run_translated, translate_error
from deploy.cli.wording import choose_language
from service.locales import translator_for
from tests.support.help_texts import help_texts


@pytest.fixture(autouse=True)
def vietnamese() -> Iterator[None]:
    choose_language("vi")
    yield
    choose_language(None)


def test_every_text_of_the_help_has_a_translation() -> None:
    words = translator_for("vi")
    texts = help_texts()

    assert len(texts) > 200
    assert {text: where for text, where in texts.items() if not words.has(text)} == {}


@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        (["--help"], 0, ["Cách dùng:", "Tùy chọn", "Kiểm tra và sửa", "Hiện phần trợ giúp này rồi thoát."]),
        (["explain", "--help"], 0, ["Đối số", "[bắt buộc]", "[mặc định: 0]", "Chỉ nhãn này."]),
        (["shops"], 2, ["Lệnh", "Xóa một cửa hàng."]),
        (["sandbox", "--help"], 0, ["Địa chỉ để lắng nghe."]),
        (
            ["sandbox", "--state", __file__],
            2,
            ["giá trị không đúng: ", "không phải tệp lưu trạng thái của sandbox"],
        ),
        (["explain", "1"], 2, ["thiếu đối số 'CUSTOMER'", "Trợ giúp: tagger explain --help"]),
        (["explian"], 2, ["không có lệnh 'explian'; có phải là 'explain'"]),
        (["explain", "1", "2", "--foo"], 2, ["không có tùy chọn --foo"]),
        (["demo", "--customers", "0"], 2, ["giá trị của '--customers' không đúng: hãy nhập số từ 1 trở lên"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_help_and_errors_are_vietnamese(
    arguments: list[str], code: int, shown: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(["--lang", "vi", *arguments])

    printed = " ".join("".join(capfd.readouterr()).replace("│", " ").split())
    assert ended.value.code == code
    assert [text for text in shown if text not in printed] == []


def test_the_next_help_in_english_is_english(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_translated(build_app(["explain"]), ["explain", "--help"], name="tagger")
    capfd.readouterr()

    with pytest.raises(SystemExit):
        run_command(["--lang", "en", "explain", "--help"])

    printed = capfd.readouterr().out
    assert [text for text in ("Usage:", "Options", "Arguments", "[required]") if text not in printed] == []


def test_an_error_that_nobody_translated_stays_as_it_is() -> None:
    assert translate_error("Something else.") == "Something else."
