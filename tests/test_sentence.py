"""Sentences: written in English in the code, and shown in the reader's language. Every one of them is translated."""

from __future__ import annotations

import ast
import io
import pickle
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from babel.messages.pofile import read_po

from service.errors import InvalidSettings, NotFound
from service.locales import translator_for
from service.sentence import Sentence
from tests.support.help_texts import help_texts

ROOT: Final = Path(__file__).parent.parent
CATALOGS: Final = ROOT / "service/locales/sentences"
SAYING: Final = {"Sentence", "translate", "print_sentence", "print_note", "deferred"}
HEADINGS: Final = "headings"
# exceptions whose message a person reads, on a page or in a terminal
SHOWN: Final = {
    "Refused",
    "Forbidden",
    "NotFound",
    "UsageError",
    "InvalidSettings",
    "StoreUnavailable",
    "ServerNotAdmitted",
    "StoreFull",
    "QueueFull",
    "Overloaded",
    "EvaluationDied",
    "RateLimited",
    "TokenRejected",
    "CustomerNotFound",
    "RequestRejected",
    "AccessDenied",
    "ApiUnavailable",
    "ResponseTooLarge",
}


@cache
def calls() -> list[tuple[str, str, ast.Call]]:
    """Every call of a name: where it is, the name, the call."""
    return list(_calls())


def _calls() -> Iterator[tuple[str, str, ast.Call]]:
    for folder in ("service", "workers", "deploy"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.is_relative_to(ROOT / "deploy/sandbox"):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node.func.id, node


def said() -> set[str]:
    """The sentences in the code."""
    texts: set[str] = set()
    for _, name, call in calls():
        arguments = call.args if name == HEADINGS else call.args[:1] if name in SAYING else []
        texts |= {str(each.value) for each in arguments if isinstance(each, ast.Constant)}
    return {text.removeprefix(">") for text in texts}


def translated() -> set[str]:
    """The sentences that have a translation."""
    return {
        str(message.id)
        for path in CATALOGS.glob("*.po")
        for message in read_po(io.BytesIO(path.read_bytes()), locale="vi")
        if message.id
    }


def test_every_sentence_in_the_code_is_translated() -> None:
    words = translator_for("vi")

    assert "Shop {org} is active." in said()
    assert {text for text in said() if not words.has(text)} == set()


def test_every_translated_sentence_is_said_somewhere() -> None:
    assert translated() - said() - help_texts().keys() == set()


def test_every_placeholder_of_a_sentence_is_filled() -> None:
    unfilled = [
        where
        for where, name, call in calls()
        if name in SAYING - {"deferred"}
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and all(keyword.arg for keyword in call.keywords)
        and names_in(str(call.args[0].value)) != {keyword.arg for keyword in call.keywords}
    ]

    assert unfilled == []


def test_a_heading_has_no_placeholders() -> None:
    names = [str(each.value) for _, name, call in calls() if name == HEADINGS for each in call.args]  # type: ignore[attr-defined]

    assert [name for name in names if names_in(name.removeprefix(">"))] == []


def names_in(key: str) -> set[str]:
    """The placeholders of a text in the catalogs."""
    text = translator_for("en").catalog.gettext(key)
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_an_error_that_people_read_is_a_sentence() -> None:
    bare = [
        where
        for where, name, call in calls()
        if name in SHOWN and call.args and isinstance(call.args[0], ast.Constant | ast.JoinedStr)
    ]

    assert bare == []


def test_a_sentence_is_english_in_logs_and_translated_for_readers() -> None:
    error = NotFound(Sentence("there is no shop {org}; see: tagger shops list", org="7"))

    assert str(error) == "there is no shop 7; see: tagger shops list"
    assert error.text(translator_for("vi")) == "không có cửa hàng 7; xem: tagger shops list"
    assert error.text(translator_for("en")) == str(error)


def test_a_sentence_that_fills_a_sentence_is_translated_too() -> None:
    what = Sentence("failed ({error}): {what}", error="OSError", what=Sentence("work paused"))

    assert what.text(translator_for("vi")) == "không thành công (OSError): tạm dừng"
    assert Sentence.join([Sentence("work paused"), Sentence("data kept")]).text(translator_for("vi")) == (
        "tạm dừng; giữ dữ liệu"
    )


def test_all_problems_of_the_settings_are_translated() -> None:
    error = InvalidSettings(
        Sentence("The settings are wrong:"),
        problems=[Sentence("{name}: there is no such file", name="RULES_FILE")],
    )

    assert str(error) == "The settings are wrong:\n  - RULES_FILE: there is no such file"
    assert error.text(translator_for("vi")) == "Cài đặt sai:\n  - RULES_FILE: không có tệp này"


@pytest.mark.parametrize("text", ["never translated", "with {braces} of somebody"])
def test_what_is_not_translated_is_shown_as_it_is(text: str) -> None:
    assert NotFound(text).text(translator_for("vi")) == text


def test_an_error_keeps_its_sentence_between_processes() -> None:
    error = pickle.loads(pickle.dumps(NotFound(Sentence("the draft has no rule {entry}", entry="vip"))))  # noqa: S301

    assert error.text(translator_for("vi")) == "bản nháp không có quy tắc vip"
