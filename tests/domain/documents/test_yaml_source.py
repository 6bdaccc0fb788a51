"""Safe YAML: scalars of YAML 1.2, refusals with positions, limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.documents.errors import InvalidRules
from service.domain.documents.parser import parse_rules
from service.domain.documents.yaml_source import MAX_BYTES, parse_yaml, resolve_scalar
from tests.domain.documents.samples import problems, texts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "a: &x 1",
            "line 1, column 4: anchors (&) and aliases (*) are not allowed; if the text begins with & or *, put it in quotes",
            id="anchor",
        ),
        pytest.param(
            "a: *x",
            "line 1, column 4: anchors (&) and aliases (*) are not allowed; if the text begins with & or *, put it in quotes",
            id="alias",
        ),
        pytest.param(
            "a: !!python/name:os.system x",
            "line 1, column 4: YAML tags (!) are not allowed; put the text in quotes",
            id="tag",
        ),
        pytest.param(
            "version: 1\nversion: 1", "line 2, column 1: the key 'version' appears twice", id="duplicate key"
        ),
        pytest.param(
            "a: [",
            "line 2, column 1: a bracket is not closed, or a comma is missing between two entries, here or earlier",
            id="syntax",
        ),
        pytest.param(
            "a: 1\n---\nb: 2",
            "line 2, column 1: expected one document, but a second one starts here ('---')",
            id="two documents",
        ),
        pytest.param("? [a]\n: 1", "line 1, column 3: a key must be a text", id="key"),
        pytest.param("", "line 1, column 1: the document is empty", id="empty"),
        pytest.param("# nothing", "line 1, column 1: the document is empty", id="only a comment"),
        pytest.param("[" * 100_000, "line 1, column 26: the document is nested too deeply", id="deep"),
        pytest.param("a" * (MAX_BYTES + 1), "the document is larger than 256 KiB", id="too large"),
        pytest.param("rules: []\nversion: 2", "line 2, column 10: expected one of: 1", id="another version"),
        pytest.param(
            "just words",
            "line 1, column 1: expected keys and values, such as field: total_spent",
            id="a text",
        ),
    ],
)
def test_unsupported_yaml_is_refused_with_its_position(text: str, message: str) -> None:
    assert message in texts(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("rules:\n\t- id: a", "dòng 2, cột 1: đầu dòng có ký tự tab", id="tab"),
        pytest.param(
            "rules:\n  - id: a\n\ttag: A", "dòng 3, cột 1: đầu dòng có ký tự tab", id="tab in the second line"
        ),
        pytest.param(
            "rules:\n  - id: a\n    tag: A: B",
            "dòng 3, cột 11: dòng này có thêm một dấu ': '",
            id="two colons",
        ),
        pytest.param("rules:\n  - id: 'a\n", "thiếu dấu nháy đóng", id="open quote"),
        pytest.param(
            "rules:\n  - id: a\n   tag: A", "dòng này không khớp với các dòng trước", id="indentation"
        ),
        pytest.param("rules:\n  - tag: @vip", "nội dung không được bắt đầu bằng '@'", id="at"),
        pytest.param("rules:\n  - tag: %vip", "nội dung không được bắt đầu bằng '%'", id="percent"),
        pytest.param('rules:\n  - tag: "a\\q"', "dấu \\ có nghĩa đặc biệt", id="escape"),
        pytest.param(
            "rules:\n  - tag: a\x07b", "dòng 2, cột 11: ở đây có ký tự điều khiển", id="control character"
        ),
        pytest.param("rules: [{id: a, tag: A}\nx: 1", "thiếu dấu đóng ngoặc", id="bracket"),
    ],
)
def test_broken_yaml_is_described_in_our_own_words(text: str, message: str) -> None:
    [described] = texts(text, "vi")

    assert message in described


def test_a_bomb_of_references_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x]\n" + "".join(f"{name}: [{', '.join(['*a'] * 50)}]\n" for name in "bcdefghij")

    assert {error.kind for error in problems(bomb)} == {"anchor"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("1:30", "1:30"), ("2026-07-01", "2026-07-01"),
        ("0900000001", "0900000001"), ("0x1F", "0x1F"), ("0o17", "0o17"), (".inf", ".inf"), ("1_000", 1000), ("-5", -5), ("0", 0),
        ("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None), ("tRue", "tRue"), ("10.000.000", "10.000.000"),
    ],
)  # fmt: skip
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    assert resolve_scalar(text) == value
    assert type(resolve_scalar(text)) is type(value)


def test_quoted_scalars_are_texts() -> None:
    assert parse_yaml("['1', \"true\", 'null', '']").data == ["1", "true", "null", ""]


YAMLISH = st.lists(st.sampled_from(["- ", "{", "}", "[", "]", ": ", "\n", "  ", "rules", "when", "all", "not", "&a ", "*a", "!!x ", "|", ">", '"', "'", "#", "? ", "---", "\t", "field", "tags", "\x00", "\ud800", ","]), max_size=60)  # fmt: skip


@given(YAMLISH.map("".join))
@settings(max_examples=100, deadline=None)
def test_random_pieces_of_yaml_neither_crash_nor_hang(noise: str) -> None:
    with pytest.raises(InvalidRules):
        parse_rules("rules:\n" + noise + "\nx: 1")
