"""Messages for invalid values and keys of a document, with the path that the author knows."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.documents.parser import validate_rules
from tests.domain.documents.samples import document, kinds, messages, rule, tagged, tier


@pytest.mark.parametrize(
    ("doc", "message"),
    [
        pytest.param(document(rule(tag="a,b")), "rule 1 “a”: tag: a tag cannot contain a comma, because Haravan separates tags by commas", id="comma"),
        pytest.param(document(rule(tag="  ")), "rule 1 “a”: tag: the tag is empty", id="blank tag"),
        pytest.param(document(rule(tag="A\nB")), "rule 1 “a”: tag: a tag cannot contain a line break or a tab", id="line break"),
        pytest.param(document(rule(tag="A\x1b[31m")), "rule 1 “a”: tag: there is an invisible character, U+001B, after 'A'; delete it or type the text again", id="control character"),
        pytest.param(document(rule(tag="VI\u200bP")), "rule 1 “a”: tag: there is an invisible character, U+200B (ZERO WIDTH SPACE), after 'VI'; delete it or type the text again", id="zero width"),
        pytest.param(document(rule(tag="VIP\u202e")), "rule 1 “a”: tag: there is an invisible character, U+202E (RIGHT-TO-LEFT OVERRIDE), after 'VIP'; delete it or type the text again", id="right to left"),
        pytest.param(document(rule(when=tagged("\u3164"))), "rule 1 “a”: when › value: there is an invisible character, U+3164 (HANGUL FILLER), after ''; delete it or type the text again", id="filler"),
        pytest.param(document(rule(name="VIP\ufe0f")), "rule 1 “VIP\ufe0f”: name: there is an invisible character, U+FE0F (VARIATION SELECTOR-16), after 'VIP'; delete it or type the text again", id="variation selector without an emoji"),
        pytest.param({**document(), "<<": {"rules": []}}, "<<: unknown key '<<'", id="YAML's merge key"),
        pytest.param(document(rule(when=tagged("a,b"))), "rule 1 “a”: when: a tag cannot contain a comma; write the tags as a list: [A, B]", id="comma in a value"),
        pytest.param(document(rule("Bad Id")), "rule 1 “Bad Id”: id: expected an id of lowercase letters, digits and dashes, such as khach-vip, got 'Bad Id'", id="id"),
        pytest.param(document(timezone="Asia/Saigonn"), "timezone: unknown time zone 'Asia/Saigonn'; write a name such as Asia/Ho_Chi_Minh", id="zone"),
        pytest.param(document(timezone="../../etc/passwd"), "timezone: unknown time zone '../../etc/passwd'; write a name such as Asia/Ho_Chi_Minh", id="zone that is a path"),
        pytest.param(document(currency="đồng"), "currency: expected three capital letters, such as VND, got 'đồng'", id="currency"),
        pytest.param(document(rule(enabled="yes")), "rule 1 “a”: enabled: expected true or false", id="enabled"),
        pytest.param(document(rule(owns="mine")), "rule 1 “a”: owns: expected one of: 'added', 'all'", id="owns"),
        pytest.param(document(rule(keep="30")), "rule 1 “a”: keep: expected while_matching, forever or a duration such as '30 days', got '30'", id="keep"),
        pytest.param(document({**rule(), "keep": 30}), "rule 1 “a”: keep: expected while_matching, forever or a duration such as '30 days', got 30", id="keep as a number"),
        pytest.param({**document(), "tiers": [{**tier("A"), "downgrade": {"after": 90}}]}, "tier 1 “t”: downgrade › after: expected a duration such as '90 days', '3 months' or '90 ngày', got 90", id="downgrade as a number"),
        pytest.param(document({**rule(), "tag": 2026}), "rule 1 “a”: tag: expected a text; put it in quotes: '2026'", id="a number as a tag"),
        pytest.param(document(rule(name={"fr": "x"})), "rule 1 “a”: name › fr: unknown key 'fr'", id="language"),
        pytest.param(document(rule(when=[])), "rule 1 “a”: when: expected a condition (field, op, value) or a group (all, any, not)", id="a list for a tree"),
        pytest.param({**document(), "tiers": [{**tier("A"), "downgrade": "soon"}]}, "tier 1 “t”: downgrade: expected at_once, never or {after: 90 days}, got 'soon'", id="downgrade"),
    ],
)  # fmt: skip
def test_an_invalid_part_is_refused_with_its_path_and_what_to_write_instead(
    doc: dict[str, Any], message: str
) -> None:
    assert messages(doc) == [message]


@pytest.mark.parametrize("tag", ["🎂 VIP", "❤️ VIP", "👨‍👩‍👧", "1️⃣", "Khách\u00a0sỉ", "ﬁ", "☎️"])
def test_emoji_and_visible_characters_are_allowed(tag: str) -> None:
    assert validate_rules(document(rule(tag=tag))).rules[0].tag == tag


@pytest.mark.parametrize(
    ("condition", "suggestions"),
    [
        ({"field": "last_order_date", "op": "less_than_ago", "value": "90 days"}, ["within_last"]),
        ({"field": "last_order_date", "op": "older_than", "value": "90 days"}, ["more_than_ago"]),
        ({"field": "birthday", "op": "within_last", "value": "7 days"}, ["in_next"]),
        ({"field": "total_spent", "op": ">=", "value": 1}, ["at_least"]),
        ({"field": "tags", "op": "contains", "value": ["VIP"]}, ["has_any"]),
        ({"field": "province", "op": "has_any", "value": ["Huế"]}, ["in"]),
        ({"field": "city", "op": "is", "value": "Huế"}, ["province"]),
        ({"field": "Total Spent", "op": "at_least", "value": 1}, ["total_spent"]),
        (
            {"field": "total_spend", "op": "atleast", "value": "10 triệu"},
            ["total_spent", "at_least", "10000000"],
        ),
    ],
)
def test_an_unknown_word_is_answered_with_the_one_that_is_meant(
    condition: dict[str, Any], suggestions: list[str]
) -> None:
    found = messages(document(rule(when=condition)))

    assert len(found) == len(suggestions)
    for text, suggestion in zip(found, suggestions, strict=True):
        assert f"did you mean '{suggestion}'?" in text or text.endswith(
            f"number: {suggestion} (got the text '10 triệu')"
        )


def test_every_error_of_a_condition_is_reported_at_once() -> None:
    assert kinds(document(rule(when={"field": "orders_count", "op": "atleast", "value": "x"}))) == [
        "bad_op",
        "bad_value",
    ]


@pytest.mark.parametrize(
    ("doc", "kind"),
    [
        (document(rule(name="x" * 201)), "too_long"),
        (document(rule(name={"vi": "x" * 201})), "too_long"),
        (document(rule(name=["x"])), "bad_name"),
        (document(tiers=[{**tier("A"), "downgrade": ["never"]}]), "bad_downgrade"),
    ],
)
def test_a_part_that_may_have_several_forms_has_one_error(doc: dict[str, Any], kind: str) -> None:
    assert kinds(doc) == [kind]
