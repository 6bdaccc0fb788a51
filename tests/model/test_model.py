"""What never comes of any interleaving, and that the walk would see it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.model.explore import walk
from tests.model.scope import Rules, Scope
from tests.model.scopes import CONTROLS, HOLDS, MENDED, SECOND_WALLS, SLOW, Control, without


@pytest.mark.parametrize("scope", HOLDS, ids=lambda scope: scope.name)
def test_nothing_is_wrong_for_good(scope: Scope) -> None:
    walked = walk(scope)

    assert not walked.wrong, walked


@pytest.mark.parametrize("scope", MENDED, ids=lambda scope: scope.name)
def test_nothing_would_be_wrong_for_good_with_all_rules(scope: Scope) -> None:
    walked = walk(scope)

    assert not walked.wrong, walked


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scope", SLOW, ids=lambda scope: scope.name)
def test_nothing_is_wrong_for_good_in_wider_walks(scope: Scope) -> None:
    walked = walk(scope)

    assert not walked.wrong, walked


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.rule)
def test_dropping_a_rule_is_seen(control: Control) -> None:
    walked = walk(without(control))

    assert walked.wrong == control.wrong, walked


def test_every_rule_has_a_walk_that_misses_it() -> None:
    missed = {control.rule for control in CONTROLS} | set(SECOND_WALLS)

    assert missed == {rule.name for rule in fields(Rules)}
