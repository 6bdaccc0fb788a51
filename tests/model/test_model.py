"""What may never come of any interleaving, and that the walk would see it."""

from __future__ import annotations

import pytest

from tests.model.explore import walk
from tests.model.scope import Scope
from tests.model.scopes import CONTROLS, QUICK, SLOW, Control, dropped


@pytest.mark.parametrize("scope", QUICK, ids=lambda scope: scope.name)
def test_nothing_is_wrong_for_good(scope: Scope) -> None:
    walked = walk(scope)

    assert not walked.wrong, walked


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scope", SLOW, ids=lambda scope: scope.name)
def test_nothing_is_wrong_for_good_in_wider_walks(scope: Scope) -> None:
    walked = walk(scope)

    assert not walked.wrong, walked


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.rule)
def test_dropping_a_rule_is_seen(control: Control) -> None:
    walked = walk(dropped(control.rule, control.scope))

    assert walked.wrong == control.wrong, walked
