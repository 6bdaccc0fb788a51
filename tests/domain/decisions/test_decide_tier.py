"""The policy of a tier: which level applies, and what happens to the tags of the others."""

from __future__ import annotations

import pytest

from service.domain.decisions.builder import OwnershipStatus
from service.domain.decisions.decide_tier import OTHER_LEVEL_POLICY, TierSituation, TierTarget, choose_level
from service.domain.decisions.state import Hold
from service.domain.rules.document import FOREVER


@pytest.mark.parametrize(
    ("owner", "owns_all", "otherwise"),
    [
        (OwnershipStatus.CURRENT, ("remove", "outranked"), ("remove", "outranked")),
        (OwnershipStatus.REVOKED, ("remove", "taken_back"), ("remove", "taken_back")),
        (OwnershipStatus.ORPHAN_REMOVE, ("remove", "gone"), ("remove", "gone")),
        (OwnershipStatus.ORPHAN_KEEP, ("remove", "outranked"), ("retain", "left")),
        (OwnershipStatus.PASSIVE, ("remove", "outranked"), ("retain", "excluded")),
        (OwnershipStatus.NONE, ("remove", "outranked"), ("retain", "not_ours")),
    ],
)
def test_the_tag_of_another_level_is_removed_if_the_tier_may(
    owner: OwnershipStatus, owns_all: tuple[str, str], otherwise: tuple[str, str]
) -> None:
    assert OTHER_LEVEL_POLICY[owner, True][:2] == owns_all
    assert OTHER_LEVEL_POLICY[owner, False][:2] == otherwise
    assert len(OTHER_LEVEL_POLICY) == 2 * len(OwnershipStatus)


@pytest.mark.parametrize(
    ("earned", "held", "below_since", "days", "target"),
    [
        pytest.param(1, None, None, 90, TierTarget(1), id="no level held"),
        pytest.param(0, 1, None, 90, TierTarget(0), id="up"),
        pytest.param(1, 1, 50, 90, TierTarget(1), id="the held level is earned: no downgrade waits"),
        pytest.param(2, 1, None, 90, TierTarget(1, 100, 190), id="a downgrade starts to wait today"),
        pytest.param(2, 1, 11, 90, TierTarget(1, 11, 101), id="the last day of the wait"),
        pytest.param(2, 1, 10, 90, TierTarget(2), id="the downgrade is due"),
        pytest.param(2, 1, None, FOREVER, TierTarget(1), id="never"),
    ],
)
def test_an_upgrade_is_immediate_and_a_downgrade_waits(
    earned: int, held: int | None, below_since: int | None, days: int, target: TierTarget
) -> None:
    hold = None if held is None else Hold("level", 1, below_since)

    assert (
        choose_level(TierSituation(earned, held, below_since, hold), downgrade_days=days, today=100) == target
    )
