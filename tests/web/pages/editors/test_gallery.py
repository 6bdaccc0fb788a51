"""Every template of the gallery is a rule that opens in the editor."""

from __future__ import annotations

import pytest

from service.domain.documents import validate_rules
from service.locales import translator_for
from service.web.pages.editors import TEMPLATES, Template
from tests.support.visitors import Visitor
from tests.web.pages.editors.test_editing import RULES, new_rule

VI = translator_for("vi")


@pytest.mark.parametrize(
    "template",
    [each for each in TEMPLATES if each.key in ("vip", "dormant", "birthday", "new", "subscriber")],
)
def test_a_template_with_all_its_values_is_a_valid_rule(template: Template) -> None:
    assert validate_rules({"rules": [template.entry(VI)]}).rules


async def test_every_template_opens_in_the_editor(lan: Visitor) -> None:
    for template in TEMPLATES:
        answer = await lan.get(await new_rule(lan, template.key))
        assert answer.status_code == 200, template.key


async def test_an_unknown_template_adds_nothing(lan: Visitor) -> None:
    assert (await lan.post(f"{RULES}/new", template="none")).status_code == 404
    assert "Chưa có quy tắc nào" in (await lan.get(RULES)).text
