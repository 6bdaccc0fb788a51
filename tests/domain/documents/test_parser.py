from __future__ import annotations

import contextlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.documents.errors import DocumentError, InvalidRules
from service.domain.documents.parser import parse_rules, validate_rules
from service.domain.documents.yaml_source import MAX_BYTES, parse_yaml, resolve_scalar
from service.domain.rules.document import RuleSet
from service.errors import MalformedData

SAMPLE = (Path(__file__).parents[2] / "payloads/rules/sample.yaml").read_text()

MANY_MISTAKES = """\
version: 1
rules:
  - id: a
    tag: A
    when: {field: total_spend, op: at_least, value: 10}
  - id: b
    tag: B
    when: {field: total_spent, op: atleast, value: 10}
  - id: c
    tag: C
    when: {field: total_spent, op: at_least, value: 10.000.000}
  - id: d
    tag: D
    when: {field: last_order_date, op: more_than_ago, value: 90 nay}
  - id: e
    tag: E
    when: {field: accepts_marketing, op: is, value: yes}
  - id: f
    tag: F
    wen: {field: orders_count, op: at_least, value: 1}
  - id: g
    tag: G
    when:
      all:
        - field: orders_count
          op: at_least
          value: "3"
        - any: []
"""

TOLD = [
    "line 5, column 19  rules.0.when: unknown field 'total_spend'; did you mean 'total_spent'?",
    "line 8, column 36  rules.1.when: 'atleast' cannot be used with 'total_spent' (money); use one of: at_least, more_than, at_most, less_than, between, is, is_not, is_empty, is_not_empty; did you mean 'at_least'?",
    "line 11, column 53  rules.2.when: write the amount as a number: 10000000 (got the text '10.000.000')",
    "line 14, column 62  rules.3.when: expected a duration such as '90 days' or '90 ngày', got '90 nay'",
    "line 17, column 53  rules.4.when: expected true or false",
    "line 18, column 5  rules.5: 'when' is missing",
    "line 20, column 5  rules.5.wen: unknown key 'wen'; did you mean 'when'?",
    "line 27, column 18  rules.6.when.all.0: expected a whole number, got '3'",
    "line 28, column 16  rules.6.when.all.1.any: 'any' needs at least one condition",
]


def problems(text: str) -> tuple[DocumentError, ...]:
    with pytest.raises(InvalidRules) as caught:
        parse_rules(text)
    return caught.value.problems


def document(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": 1, "rules": [*rules], **more}


def rule(rule_id: str = "a", tag: str = "A", **more: Any) -> dict[str, Any]:
    when = {"field": "orders_count", "op": "at_least", "value": 1}
    return {"id": rule_id, "tag": tag, "when": when, **more}


def tagged(*names: str) -> dict[str, Any]:
    return {"field": "tags", "op": "has_any", "value": [*names]}


def tier(*tags: str, tier_id: str = "t") -> dict[str, Any]:
    when = {"field": "orders_count", "op": "at_least", "value": 1}
    return {"id": tier_id, "levels": [{"tag": tag, "when": when} for tag in tags]}


def kinds(doc: object) -> list[str]:
    with pytest.raises(InvalidRules) as caught:
        validate_rules(doc)
    return [problem.kind for problem in caught.value.problems]


def messages(doc: object) -> list[str]:
    with pytest.raises(InvalidRules) as caught:
        validate_rules(doc)
    return [str(problem) for problem in caught.value.problems]


def test_the_sample_document_is_read_whole() -> None:
    found = parse_rules(SAMPLE)

    assert [one.id for one in found.rules] == [
        "vip",
        "ngu-dong",
        "sinh-nhat",
        "hcm",
        "loyal-subscriber",
        "founding",
    ]
    assert [level.tag for level in found.tiers[0].levels] == ["Platinum", "Gold", "Silver"]
    assert found.rules[1].display_name("en") == "No order for 90 days"


def test_every_mistake_is_told_at_once_with_its_place_and_what_was_meant() -> None:
    assert [str(problem) for problem in problems(MANY_MISTAKES)] == TOLD


def test_the_error_is_an_unreadable_document_and_its_text_has_one_problem_a_line() -> None:
    with pytest.raises(MalformedData) as caught:
        parse_rules(MANY_MISTAKES)

    assert str(caught.value).splitlines() == TOLD


def test_a_mistake_names_the_part_to_blame_so_that_a_form_can_show_it_there() -> None:
    found = problems(MANY_MISTAKES)

    assert [(one.kind, one.part) for one in found[:4]] == [
        ("unknown_field", "field"),
        ("bad_op", "op"),
        ("bad_value", "value"),
        ("bad_value", "value"),
    ]


def test_what_only_the_whole_document_shows_is_told_beside_the_other_mistakes() -> None:
    doc = document(rule("a"), rule("a", "B"), rule("c", when={"field": "x", "op": "is", "value": 1}))

    assert kinds(doc) == ["unknown_field", "duplicate_id"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            "a: &x 1", "line 1, column 4  a: anchors (&) and aliases (*) are not allowed", id="anchor"
        ),
        pytest.param("a: *x", "line 1, column 4  a: anchors (&) and aliases (*) are not allowed", id="alias"),
        pytest.param(
            "a: !!python/name:os.system x",
            "line 1, column 4  a: YAML tags (!) are not allowed; put the text in quotes",
            id="tag",
        ),
        pytest.param(
            "version: 1\nversion: 1", "line 2, column 1  the key 'version' appears twice", id="duplicate key"
        ),
        pytest.param(
            "a: [", "line 2, column 1  this is not YAML: did not find expected node content", id="syntax"
        ),
        pytest.param(
            "a: 1\n---\nb: 2",
            "line 2, column 1  expected one document, but a second one starts here ('---')",
            id="two documents",
        ),
        pytest.param("? [a]\n: 1", "line 1, column 3  a key must be a text", id="key"),
        pytest.param("", "line 1, column 1  the document is empty", id="empty"),
        pytest.param("# nothing", "line 1, column 1  the document is empty", id="only a comment"),
        pytest.param("[" * 100_000, "line 1, column 26  0.0.0: the document is nested too deeply", id="deep"),
        pytest.param("a" * (MAX_BYTES + 1), "the document is larger than 256 KiB", id="too large"),
        pytest.param("rules: []\nversion: 2", "line 2, column 10  version: expected 1", id="another version"),
        pytest.param("just words", "line 1, column 1  expected a mapping (keys and values)", id="a text"),
    ],
)
def test_a_document_is_refused_before_it_is_built(text: str, told: str) -> None:
    assert told in map(str, problems(text))


def test_ten_thousand_references_do_not_grow() -> None:
    bomb = "a: &a [x]\n" + "".join(f"{name}: [{', '.join(['*a'] * 50)}]\n" for name in "bcdefghij")

    assert {one.kind for one in problems(bomb)} == {"anchor"}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("1:30", "1:30"), ("2026-07-01", "2026-07-01"),
        ("0900000001", "0900000001"), ("0x1F", "0x1F"), ("0o17", "0o17"), (".inf", ".inf"), ("1_000", 1000), ("-5", -5), ("0", 0),
        ("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None), ("tRue", "tRue"), ("10.000.000", "10.000.000"),
    ],
)  # fmt: skip
def test_plain_scalars_are_read_as_in_yaml_1_2(text: str, meant: object) -> None:
    assert resolve_scalar(text) == meant
    assert type(resolve_scalar(text)) is type(meant)


def test_quoted_scalars_are_texts() -> None:
    assert parse_yaml("['1', \"true\", 'null', '']").data == ["1", "true", "null", ""]


def test_json_is_read_too_with_lines() -> None:
    text = json.dumps(document(rule(keep="forever!")), indent=1)

    assert [(one.line, one.kind) for one in problems(text)] == [(12, "bad_keep")]


def test_json_with_escaped_characters_beyond_the_first_plane_is_read() -> None:
    found = parse_rules(json.dumps(document(rule(tag="🎂 VIP"))))

    assert found.rules[0].tag == "🎂 VIP"


def test_json_with_a_number_that_fits_nowhere_is_refused() -> None:
    text = json.dumps(document(rule())).replace('"when": ', '"odd": 1e99999999999999999999, "when": ')

    with pytest.raises(InvalidRules, match="unknown key 'odd'"):
        parse_rules(text)


def test_json_with_a_key_written_twice_is_refused() -> None:
    assert problems('{"version": 1, "version": 1}')[0].kind == "duplicate_key"


@pytest.mark.parametrize(
    ("doc", "told"),
    [
        pytest.param(document(rule("a"), rule("a", "B")), "rules.1: the id 'a' is used twice", id="same id"),
        pytest.param(
            document(rule("a", "Gold"), tiers=[tier("gold")]),
            "tiers.0.levels.0: only this tier may set the tag 'gold', but 'a' sets it too",
            id="a tier's tag set by a rule",
        ),
        pytest.param(
            document(tiers=[tier("Gold"), tier("GOLD", tier_id="u")]),
            "tiers.1.levels.0: only this tier may set the tag 'GOLD', but 't' sets it too",
            id="a tag in two tiers",
        ),
        pytest.param(document(tiers=[tier("Gold", "gold")]), "tiers.0.levels.1: the tag 'gold' is used on two levels", id="two levels"),
        pytest.param(
            document(rule("a", "A", when=tagged("B")), rule("b", "B", when=tagged("a"))),
            "rules.0: rules depend on each other in a loop: a -> b -> a",
            id="loop",
        ),
        pytest.param(document(rule("a", "A", when=tagged("A"))), "rules.0: rules depend on each other in a loop: a -> a", id="a rule that reads its own tag"),
        pytest.param(document(rule(tag="a,b")), "rules.0.tag: a tag cannot contain a comma", id="comma"),
        pytest.param(document(rule(tag="  ")), "rules.0.tag: a tag cannot be empty", id="blank tag"),
        pytest.param(document(rule(tag="A\nB")), "rules.0.tag: a tag cannot contain a line break or another control character", id="line break"),
        pytest.param(document(rule(tag="A\x1b[31m")), "rules.0.tag: a tag cannot contain a line break or another control character", id="control character"),
        pytest.param({**document(), "<<": {"rules": []}}, "<<: unknown key '<<'", id="YAML's merge key"),
        pytest.param(document(rule(when=tagged("a,b"))), "rules.0.when: a tag cannot contain a comma; write the tags as a list", id="comma in a value"),
        pytest.param(document(rule("Bad Id")), "rules.0.id: expected an id of lowercase letters, digits and dashes, such as 'khach-vip', got 'Bad Id'", id="id"),
        pytest.param(document(timezone="Asia/Saigonn"), "timezone: unknown time zone 'Asia/Saigonn'; expected a name such as Asia/Ho_Chi_Minh", id="zone"),
        pytest.param(document(timezone="../../etc/passwd"), "timezone: unknown time zone '../../etc/passwd'; expected a name such as Asia/Ho_Chi_Minh", id="zone that is a path"),
        pytest.param(document(currency="đồng"), "currency: expected three capital letters, such as VND, got 'đồng'", id="currency"),
        pytest.param(document(rule(enabled="yes")), "rules.0.enabled: expected true or false", id="enabled"),
        pytest.param(document(rule(owns="mine")), "rules.0.owns: expected 'added' or 'all'", id="owns"),
        pytest.param(document(rule(keep="30")), "rules.0.keep: expected while_matching, forever or a duration such as '30 days', got '30'", id="keep"),
        pytest.param(document({**rule(), "keep": 30}), "rules.0.keep: expected while_matching, forever or a duration such as '30 days', got 30", id="keep as a number"),
        pytest.param({**document(), "tiers": [{**tier("A"), "downgrade": {"after": 90}}]}, "tiers.0.downgrade.after: expected a duration such as '90 days' or '90 ngày', got 90", id="downgrade as a number"),
        pytest.param(document({**rule(), "tag": 2026}), "rules.0.tag: expected a text; put it in quotes: '2026'", id="a number as a tag"),
        pytest.param(document(rule(name={"fr": "x"})), "rules.0.name.fr: unknown key 'fr'", id="language"),
        pytest.param(document(rule(when=[])), "rules.0.when: expected a condition (field, op, value) or a group (all, any, not)", id="a list for a tree"),
        pytest.param({**document(), "tiers": [{**tier("A"), "downgrade": "soon"}]}, "tiers.0.downgrade: expected at_once, never or {after: 90 days}, got 'soon'", id="downgrade"),
    ],
)  # fmt: skip
def test_a_document_that_contradicts_itself_is_refused(doc: dict[str, Any], told: str) -> None:
    assert messages(doc) == [told]


def test_emptiness_of_tags_leaves_out_the_rules_own_tag_so_it_is_no_loop() -> None:
    doc = document(rule("a", "A", when={"field": "tags", "op": "is_empty"}))

    assert validate_rules(doc).rules[0].id == "a"


def test_two_rules_that_both_ask_for_no_tags_are_a_loop() -> None:
    none = {"field": "tags", "op": "is_empty"}

    assert kinds(document(rule("a", "A", when=none), rule("b", "B", when=none))) == ["loop"]


def nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"field": "orders_count", "op": "at_least", "value": 1}
    for _ in range(depth):
        tree = {"all": [tree]}
    return tree


LEAF = nested(0)


@pytest.mark.parametrize(
    ("allowed", "refused", "kind"),
    [
        pytest.param(document(*(rule(f"r{n}") for n in range(200))), document(*(rule(f"r{n}") for n in range(201))), "too_many", id="rules"),
        pytest.param(document(tiers=[tier(f"T{n}", tier_id=f"t{n}") for n in range(20)]), document(tiers=[tier(f"T{n}", tier_id=f"t{n}") for n in range(21)]), "too_many", id="tiers"),
        pytest.param(document(rule(when={"any": [LEAF] * 50})), document(rule(when={"any": [LEAF] * 51})), "too_many", id="conditions"),
        pytest.param(document(rule(when=nested(4))), document(rule(when=nested(5))), "too_deep", id="depth"),
        pytest.param(document(rule(tag="x" * 200)), document(rule(tag="x" * 201)), "too_long", id="text"),
        pytest.param(document(rule(when=tagged(*map(str, range(200))))), document(rule(when=tagged(*map(str, range(201))))), "too_many", id="list"),
    ],
)  # fmt: skip
def test_limits_are_where_they_are_promised(
    allowed: dict[str, Any], refused: dict[str, Any], kind: str
) -> None:
    assert isinstance(validate_rules(allowed), RuleSet)
    assert kinds(refused) == [kind]


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_random_bytes_neither_crash_nor_hang(noise: bytes) -> None:
    with suppress(InvalidRules):  # `{}` is a document, if one without rules
        assert isinstance(parse_rules(noise.decode(errors="replace")), RuleSet)


YAMLISH = st.lists(st.sampled_from(["- ", "{", "}", "[", "]", ": ", "\n", "  ", "rules", "when", "all", "not", "&a ", "*a", "!!x ", "|", ">", '"', "'", "#", "? ", "---", "\t", "field", "tags", "\x00", "\ud800", ","]), max_size=60)  # fmt: skip


@given(YAMLISH.map("".join))
@settings(max_examples=100, deadline=None)
def test_random_pieces_of_yaml_neither_crash_nor_hang(noise: str) -> None:
    with pytest.raises(InvalidRules):
        parse_rules("rules:\n" + noise + "\nx: 1")


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=2)),
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(st.sampled_from(["rules", "tiers", "id", "tag", "when", "all", "not", "field", "op", "value", "keep", "levels", "name"]), below, max_size=4),
    ),
    max_leaves=12,
)  # fmt: skip


@given(PLAIN)
@settings(max_examples=100, deadline=None)
def test_random_data_is_read_or_refused_with_problems(data: object) -> None:
    with contextlib.suppress(InvalidRules):
        assert isinstance(validate_rules({"rules": [data], "version": 1}), RuleSet)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("{any: []},", id="empty groups"),
        pytest.param("{field: total_spend, op: x},", id="unknown fields"),
        pytest.param("{a: b},", id="unknown keys"),
        pytest.param("[],", id="no conditions"),
    ],
)
@pytest.mark.timeout(20)
def test_a_document_full_of_mistakes_is_told_about_the_first_hundred(part: str) -> None:
    text = f"rules: [{{id: a, tag: A, when: {{all: [{part * (200_000 // len(part))}]}}}}]"

    assert len(problems(text)) == 100
