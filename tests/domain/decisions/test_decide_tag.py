"""The policy of a tag, enumerated: the action for every situation."""

from __future__ import annotations

from itertools import product

import pytest

from service.domain.decisions.builder import OwnershipStatus
from service.domain.decisions.decide_tag import TAG_POLICY, HoldStatus, Reach, TagAction

ANY_OWNER, ANY_HOLD, ANY_REACH = frozenset(OwnershipStatus), frozenset(HoldStatus), frozenset(Reach)
CURRENT, NONE = frozenset({OwnershipStatus.CURRENT}), frozenset({OwnershipStatus.NONE})
ORPHAN_KEEP, ORPHAN_REMOVE = (
    frozenset({OwnershipStatus.ORPHAN_KEEP}),
    frozenset({OwnershipStatus.ORPHAN_REMOVE}),
)
REVOKED, PASSIVE = frozenset({OwnershipStatus.REVOKED}), frozenset({OwnershipStatus.PASSIVE})
ORPHANS = ORPHAN_KEEP | ORPHAN_REMOVE | REVOKED
NO_HOLD, RENAMED = frozenset({HoldStatus.NONE}), frozenset({HoldStatus.RENAMED})
HOLDS = ANY_HOLD - NO_HOLD
OURS, ALL, EXCLUDED_FROM_ALL = frozenset({Reach.OURS}), frozenset({Reach.ALL}), frozenset({Reach.NONE})
NOT_ALL = OURS | EXCLUDED_FROM_ALL

# matches, present, holds, owners, reach, action; no two rows cover the same situation
CASES = [
    (True, False, ANY_HOLD, ANY_OWNER, ANY_REACH, TagAction("add", "matched")),
    (True, True, ANY_HOLD, ORPHANS, ANY_REACH, TagAction("have", "matched", moves_ownership=True)),
    (True, True, ANY_HOLD, ANY_OWNER - ORPHANS, ANY_REACH, TagAction("have", "matched")),
    (False, False, RENAMED, ANY_OWNER, ANY_REACH, TagAction("add", "renamed")),
    (False, False, ANY_HOLD - RENAMED, ANY_OWNER, ANY_REACH, None),
    (False, True, HOLDS, ANY_OWNER, ANY_REACH, TagAction("retain", "kept")),
    (False, True, NO_HOLD, CURRENT, ANY_REACH, TagAction("remove", "unmatched")),
    (False, True, NO_HOLD, REVOKED, ANY_REACH, TagAction("remove", "taken_back")),
    (False, True, NO_HOLD, ORPHAN_REMOVE, ANY_REACH, TagAction("remove", "gone")),
    (False, True, NO_HOLD, NONE | ORPHAN_KEEP | PASSIVE, ALL, TagAction("remove", "unmatched")),
    (False, True, NO_HOLD, PASSIVE, NOT_ALL, TagAction("retain", "excluded")),
    (False, True, NO_HOLD, NONE | ORPHAN_KEEP, EXCLUDED_FROM_ALL, TagAction("retain", "excluded")),
    (False, True, NO_HOLD, ORPHAN_KEEP, OURS, TagAction("retain", "left")),
    (False, True, NO_HOLD, NONE, OURS, TagAction("retain", "not_ours")),
]


@pytest.mark.parametrize(("matches", "present", "holds", "owners", "reach", "action"), CASES)
def test_each_situation_has_its_action(
    matches: bool,
    present: bool,
    holds: frozenset[HoldStatus],
    owners: frozenset[OwnershipStatus],
    reach: frozenset[Reach],
    action: TagAction | None,
) -> None:
    for situation in product([matches], [present], holds, owners, reach):
        assert TAG_POLICY[situation] == action


def test_every_situation_has_exactly_one_case() -> None:
    covered = [
        situation
        for matches, present, holds, owners, reach, _ in CASES
        for situation in product([matches], [present], holds, owners, reach)
    ]

    assert len(covered) == len(set(covered)) == len(TAG_POLICY)


def test_a_tag_of_a_person_or_of_an_excluded_rule_is_never_removed_unless_a_rule_owns_all() -> None:
    for (_, _, _, owner, reach), action in TAG_POLICY.items():
        if owner in NONE | PASSIVE and reach is not Reach.ALL:
            assert action is None or action.effect != "remove"
