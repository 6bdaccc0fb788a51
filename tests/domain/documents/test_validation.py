"""Messages for invalid values and keys of a document, with the path that the author knows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.documents.samples import document, messages, rule, tagged, tier


@pytest.mark.parametrize(
    ("doc", "message"),
    [
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
def test_an_invalid_part_is_refused_with_its_path_and_what_to_write_instead(
    doc: dict[str, Any], message: str
) -> None:
    assert messages(doc) == [message]
