"""The policy of a tag and of a tier, enumerated: what becomes of a tag in every situation there is."""

from __future__ import annotations

from itertools import product

import pytest

from service.domain.decisions.builder import OwnershipStatus
from service.domain.decisions.decide_tag import TAG_POLICY, HoldStatus, Reach, TagAction
from service.domain.decisions.decide_tier import OTHER_LEVEL_POLICY, TierSituation, TierTarget, choose_level
from service.domain.decisions.state import Hold
from service.domain.rules.document import FOREVER

ANY_OWNER, ANY_HOLD, ANY_REACH = frozenset(OwnershipStatus), frozenset(HoldStatus), frozenset(Reach)
CURRENT, NONE = frozenset({OwnershipStatus.CURRENT}), frozenset({OwnershipStatus.NONE})
KEEP, REMOVE = frozenset({OwnershipStatus.ORPHAN_KEEP}), frozenset({OwnershipStatus.ORPHAN_REMOVE})
REVOKED, EXCLUDED = frozenset({OwnershipStatus.REVOKED}), frozenset({OwnershipStatus.EXCLUDED})
ORPHANS = KEEP | REMOVE | REVOKED
NO_HOLD, RENAMED = frozenset({HoldStatus.NONE}), frozenset({HoldStatus.RENAMED})
HOLDS = ANY_HOLD - NO_HOLD
OURS, ALL, NOBODY = frozenset({Reach.OURS}), frozenset({Reach.ALL}), frozenset({Reach.NONE})
SOME = OURS | NOBODY

# matches, present, holds, owners, reach, what follows; no two rows cover the same situation
CASES = [
    (True, False, ANY_HOLD, ANY_OWNER, ANY_REACH, TagAction("add", "matched")),
    (True, True, ANY_HOLD, ORPHANS, ANY_REACH, TagAction("have", "matched", moves_ownership=True)),
    (True, True, ANY_HOLD, ANY_OWNER - ORPHANS, ANY_REACH, TagAction("have", "matched")),
    (False, False, RENAMED, ANY_OWNER, ANY_REACH, TagAction("add", "renamed")),
    (False, False, ANY_HOLD - RENAMED, ANY_OWNER, ANY_REACH, None),
    (False, True, HOLDS, ANY_OWNER, ANY_REACH, TagAction("retain", "kept")),
    (False, True, NO_HOLD, CURRENT, ANY_REACH, TagAction("remove", "unmatched")),
    (False, True, NO_HOLD, REVOKED, ANY_REACH, TagAction("remove", "taken_back")),
    (False, True, NO_HOLD, REMOVE, ANY_REACH, TagAction("remove", "gone")),
    (False, True, NO_HOLD, NONE | KEEP | EXCLUDED, ALL, TagAction("remove", "unmatched")),
    (False, True, NO_HOLD, EXCLUDED, SOME, TagAction("retain", "excluded")),
    (False, True, NO_HOLD, NONE | KEEP, NOBODY, TagAction("retain", "excluded")),
    (False, True, NO_HOLD, KEEP, OURS, TagAction("retain", "left")),
    (False, True, NO_HOLD, NONE, OURS, TagAction("retain", "not_ours")),
]


@pytest.mark.parametrize(("matches", "present", "holds", "owners", "reach", "action"), CASES)
def test_a_tag_becomes_what_its_situation_says(
    matches: bool,
    present: bool,
    holds: frozenset[HoldStatus],
    owners: frozenset[OwnershipStatus],
    reach: frozenset[Reach],
    action: TagAction | None,
) -> None:
    for hold, owner, own in product(holds, owners, reach):
        assert TAG_POLICY[matches, present, hold, owner, own] == action


def test_every_situation_has_exactly_one_case() -> None:
    covered = [
        situation
        for matches, present, holds, owners, reach, _ in CASES
        for situation in product([matches], [present], holds, owners, reach)
    ]

    assert len(covered) == len(set(covered)) == len(TAG_POLICY)


def test_a_tag_of_a_person_or_of_an_excluded_rule_is_never_removed_unless_a_rule_owns_all() -> None:
    for (_, _, _, owner, reach), action in TAG_POLICY.items():
        if owner in NONE | EXCLUDED and reach is not Reach.ALL:
            assert action is None or action.effect != "remove"


@pytest.mark.parametrize(
    ("owner", "owns_all", "otherwise"),
    [
        (OwnershipStatus.CURRENT, ("remove", "outranked"), ("remove", "outranked")),
        (OwnershipStatus.REVOKED, ("remove", "taken_back"), ("remove", "taken_back")),
        (OwnershipStatus.ORPHAN_REMOVE, ("remove", "gone"), ("remove", "gone")),
        (OwnershipStatus.ORPHAN_KEEP, ("remove", "outranked"), ("retain", "left")),
        (OwnershipStatus.EXCLUDED, ("remove", "outranked"), ("retain", "excluded")),
        (OwnershipStatus.NONE, ("remove", "outranked"), ("retain", "not_ours")),
    ],
)
def test_the_tag_of_another_level_goes_if_the_tier_may_remove_it(
    owner: OwnershipStatus, owns_all: tuple[str, str], otherwise: tuple[str, str]
) -> None:
    assert OTHER_LEVEL_POLICY[owner, True][:2] == owns_all
    assert OTHER_LEVEL_POLICY[owner, False][:2] == otherwise
    assert len(OTHER_LEVEL_POLICY) == 2 * len(OwnershipStatus)


@pytest.mark.parametrize(
    ("earned", "held", "below_since", "days", "target"),
    [
        pytest.param(1, None, None, 90, TierTarget(1), id="nothing held"),
        pytest.param(0, 1, None, 90, TierTarget(0), id="up at once"),
        pytest.param(1, 1, 50, 90, TierTarget(1), id="as before: a downgrade no longer waits"),
        pytest.param(2, 1, None, 90, TierTarget(1, 100, 190), id="lower since today"),
        pytest.param(2, 1, 11, 90, TierTarget(1, 11, 101), id="the last day"),
        pytest.param(2, 1, 10, 90, TierTarget(2), id="down"),
        pytest.param(2, 1, None, FOREVER, TierTarget(1), id="never down"),
    ],
)
def test_a_level_goes_up_at_once_and_down_as_downgrade_says(
    earned: int, held: int | None, below_since: int | None, days: int, target: TierTarget
) -> None:
    hold = None if held is None else Hold("level", 1, below_since)

    assert (
        choose_level(TierSituation(earned, held, below_since, hold), downgrade_days=days, today=100) == target
    )
