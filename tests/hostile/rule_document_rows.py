"""Hostile rule documents, and the kinds of errors that each must have. An accepted document has none."""

from __future__ import annotations

import json
from typing import Final, NamedTuple


class RuleDocument(NamedTuple):
    """A text that somebody gives as rules, and the kinds of its errors, sorted. `()`: it is valid."""

    name: str
    text: str
    kinds: tuple[str, ...]


def _rule(when: str, *, tag: str = "A", more: str = "") -> str:
    return f"rules: [{{id: a, tag: {tag}, {more}when: {when}}}]"


ORDERED: Final = "{field: orders_count, op: at_least, value: 1}"


def _tagged(tag: str) -> str:
    return _rule(ORDERED, tag=json.dumps(tag, ensure_ascii=False))


def _nested(times: int, group: str = "all") -> str:
    return f"{{{group}: [" * times + ORDERED + "]}" * times


def _negated(times: int) -> str:
    return "{not: " * times + ORDERED + "}" * times


DOCUMENTS: Final = (
    # not YAML, or more than YAML
    RuleDocument("nothing", "", ("empty",)),
    RuleDocument("blanks", " \n \n", ("empty",)),
    RuleDocument("a comment", "# rules", ("empty",)),
    RuleDocument("null", "null", ("empty",)),
    RuleDocument("a text", "rules", ("bad_value",)),
    RuleDocument("a number", "42", ("bad_value",)),
    RuleDocument("a list", "- a", ("bad_value",)),
    RuleDocument("a tab", "rules:\n\t- id: a", ("syntax",)),
    RuleDocument("a NUL", "rules: []\x00", ("syntax",)),
    RuleDocument("an escape sequence", "rules: []\x1b[31m", ("syntax",)),
    RuleDocument("half of a surrogate pair", "rules: []  # \ud800", ("syntax",)),
    RuleDocument("two documents", "rules: []\n---\nrules: []", ("syntax",)),
    RuleDocument("an open bracket", "rules: [", ("syntax",)),
    RuleDocument("a hundred thousand brackets", "[" * 100_000, ("too_deep",)),
    RuleDocument("fifty thousand braces", "{a: " * 50_000, ("too_deep",)),
    RuleDocument("300 KiB of blanks", " " * 300_000, ("too_large",)),
    RuleDocument("a bomb of aliases", "a: &a [x]\nb: [*a, *a]", ("anchor", "anchor", "anchor", "unknown_key", "unknown_key")),
    RuleDocument("a merge key", "<<: {rules: []}", ("unknown_key",)),
    RuleDocument("a Python object", "rules: !!python/object/apply:os.system [ls]", ("bad_value", "yaml_tag")),
    RuleDocument("binary", "rules: !!binary aGk=", ("bad_value", "yaml_tag")),
    RuleDocument("a key twice", "version: 1\nversion: 1", ("duplicate_key",)),
    RuleDocument("a key twice in JSON", '{"version": 1, "version": 1}', ("duplicate_key",)),
    RuleDocument("a list as a key", "? [a]\n: 1", ("syntax",)),
    RuleDocument("a byte order mark", "\ufeffrules: []", ()),
    RuleDocument("Windows line ends", "version: 1\r\nrules: []\r\n", ()),
    RuleDocument("an empty mapping", "{}", ()),
    RuleDocument("JSON with NaN", '{"version": NaN}', ("bad_value",)),
    # scalars that other YAML parsers change
    RuleDocument("Norway", _tagged("NO"), ()),
    RuleDocument("a tag that YAML 1.1 reads as false", _rule(ORDERED, tag="no"), ()),
    RuleDocument("a tag that YAML 1.1 reads in base 60", _rule(ORDERED, tag="1:30"), ()),
    RuleDocument("a tag that is a number", _rule(ORDERED, tag="2026"), ("not_text",)),
    RuleDocument("a tag that is true", _rule(ORDERED, tag="true"), ("not_text",)),
    RuleDocument("a tag that is null", _rule(ORDERED, tag="~"), ("not_text",)),
    RuleDocument("an octal amount", _rule("{field: total_spent, op: at_least, value: 010}"), ("bad_value",)),
    RuleDocument("an amount with points", _rule("{field: total_spent, op: at_least, value: 10.000.000}"), ("bad_value",)),
    RuleDocument("an amount with a fraction", _rule("{field: total_spent, op: at_least, value: 10.5}"), ("bad_value",)),
    RuleDocument("an endless amount", _rule("{field: total_spent, op: at_least, value: 1e999}"), ("bad_value",)),
    RuleDocument("an infinite amount", _rule("{field: total_spent, op: at_least, value: .inf}"), ("bad_value",)),
    RuleDocument("a number of 10,000 digits", _rule(f"{{field: orders_count, op: is, value: {'9' * 10_000}}}"), ("too_long",)),
    RuleDocument("a number beyond 64 bits", _rule("{field: orders_count, op: is, value: 99999999999999999999}"), ("bad_value",)),
    RuleDocument("30 February", _rule("{field: created_at, op: before, value: 2026-02-30}"), ("bad_value",)),
    RuleDocument("a thousand years", _rule("{field: created_at, op: within_last, value: 1000 years}"), ("bad_value",)),
    RuleDocument("the wrong order of a range", _rule("{field: orders_count, op: between, value: [5, 1]}"), ("bad_value",)),
    # tags and texts
    RuleDocument("a tag with a comma", _tagged("A,B"), ("bad_tag",)),
    RuleDocument("a blank tag", _tagged("  "), ("bad_tag",)),
    RuleDocument("a tag with a line break", _tagged("A\nB"), ("bad_tag",)),
    RuleDocument("a zero-width space", _tagged("VI\u200bP"), ("invisible",)),
    RuleDocument("a zero-width joiner between letters", _tagged("VI\u200dP"), ("invisible",)),
    RuleDocument("a right-to-left override", _tagged("VIP\u202e"), ("invisible",)),
    RuleDocument("a soft hyphen", _tagged("VI\u00adP"), ("invisible",)),
    RuleDocument("a word joiner in a condition", _rule("{field: tags, op: has_any, value: ['A\u2060']}"), ("invisible",)),
    RuleDocument("a Hangul filler", _tagged("\u3164"), ("invisible",)),
    RuleDocument("language tags", _tagged("VIP\U000e0041"), ("invisible",)),
    RuleDocument("a heart and a family", _tagged("❤️ 👨‍👩‍👧"), ()),
    RuleDocument("a decomposed tag", _tagged("Ngu\u0309 đông"), ()),
    RuleDocument("a hundred marks on one letter", _tagged("a" + "\u0301" * 100), ()),
    RuleDocument("a tag of 201 characters", _tagged("x" * 201), ("too_long",)),
    RuleDocument("a regular expression", _rule('{field: email, op: matches, value: "(a+)+$"}'), ("bad_op",)),
    RuleDocument("code as a field", _rule("{field: __class__, op: is, value: 1}"), ("unknown_field",)),
    RuleDocument("a path as a time zone", "timezone: ../../etc/passwd", ("bad_zone",)),
    # structure
    RuleDocument("51 conditions", _rule(f"{{any: [{', '.join([ORDERED] * 51)}]}}"), ("too_many",)),
    RuleDocument("five groups", _rule(_nested(5)), ("too_deep",)),
    RuleDocument("four groups", _rule(_nested(4)), ()),
    RuleDocument("six times not", _rule(_negated(6)), ("too_deep",)),
    RuleDocument("an empty group", _rule("{all: []}"), ("too_few",)),
    RuleDocument("two groups in one", _rule(f"{{all: [{ORDERED}], any: [{ORDERED}]}}"), ("unknown_key",)),
    RuleDocument("201 rules", json.dumps({"rules": [{"id": f"r{n}", "tag": "A", "when": {"field": "orders_count", "op": "is", "value": 1}} for n in range(201)]}), ("too_many",)),
    RuleDocument("a rule that reads its own tag", _rule("{field: tags, op: has_any, value: [a]}"), ("loop",)),
)  # fmt: skip
