"""No interleaving ends in a lasting fault, and the exploration finds the fault if a rule is dropped."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.model.explore import explore
from tests.model.scope import Rules, Scope
from tests.model.scopes import CONTROLS, HOLDS, SECOND_WALLS, SLOW, Control, without


@pytest.mark.parametrize("scope", HOLDS, ids=lambda scope: scope.name)
def test_no_interleaving_ends_in_a_lasting_fault(scope: Scope) -> None:
    exploration = explore(scope)

    assert not exploration.wrong, exploration


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scope", SLOW, ids=lambda scope: scope.name)
def test_no_interleaving_of_a_large_scope_ends_in_a_lasting_fault(scope: Scope) -> None:
    exploration = explore(scope)

    assert not exploration.wrong, exploration


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.rule)
def test_dropping_a_rule_leads_to_its_fault(control: Control) -> None:
    exploration = explore(without(control))

    assert exploration.wrong == control.wrong, exploration


def test_every_rule_has_a_control_or_a_second_wall() -> None:
    covered = {control.rule for control in CONTROLS} | set(SECOND_WALLS)

    assert covered == {rule.name for rule in fields(Rules)}
