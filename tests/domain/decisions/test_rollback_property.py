"""After a roll-back a customer stands as if the undone version had never been."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from service.domain.decisions.state import CustomerState
from service.domain.documents.parser import validate_rules
from tests.domain.decisions.simulated_shop import Life
from tests.reference import strategies

DAYS = st.sampled_from((0, 1, 4, 5, 29, 31))


def state(life: Life) -> tuple[Any, ...]:
    return (
        life.tags,
        dict(life.standing.holds),
        {key: own.rule for key, own in life.standing.ownership.items()},
    )


def nobody_waits(standing: CustomerState) -> bool:
    """How long a lower level has waited is forgotten where the undone rules saw no lower level."""
    return all(hold.below_since is None for hold in standing.holds.values())


def nobody_took_over(undone: Life, without: Life) -> bool:
    """Whose a tag was before an undone rule took it over is not kept."""
    ours, theirs = undone.standing.ownership, without.standing.ownership
    return all(ours[key].rule == theirs[key].rule for key in ours.keys() & theirs.keys())


def pass_days(lives: list[Life], data: st.DataObject, *, events: bool) -> None:
    """The same happens in every world: days, another record, a foreign tag put on or taken off."""
    days = timedelta(days=data.draw(DAYS))
    zone = lives[0].docs[0].timezone
    other = data.draw(strategies.customers(zone)) if events and data.draw(st.booleans()) else None
    foreign = data.draw(st.sets(st.sampled_from(strategies.FOREIGN))) if events else set[str]()
    for life in lives:
        life.today += days
        tags = [tag for tag in life.customer.tags if tag not in strategies.FOREIGN]
        if other is not None:
            life.customer = msgspec.structs.replace(other, tags=life.customer.tags)
        if events:
            life.retag(*tags, *sorted(foreign))


def any_undoing(data: st.DataObject) -> None:
    doc = data.draw(strategies.documents())
    other = {**data.draw(strategies.documents()), "timezone": doc["timezone"], "currency": doc["currency"]}
    with_b = Life(
        [validate_rules(doc)], data.draw(strategies.customers(doc["timezone"])), data.draw(strategies.DAYS)
    )
    for _ in range(data.draw(st.integers(1, 2))):
        with_b.look()
        pass_days([with_b], data, events=True)
    with_b.look()
    without = with_b.twin()
    before = state(without)
    assume(nobody_waits(without.standing))

    with_b.publish(validate_rules(other))
    for _ in range(data.draw(st.integers(1, 3))):
        with_b.look()
        without.look()
        assume(state(without) == before)  # what only the first rules would have noticed, nobody knows
        assume(nobody_took_over(with_b, without))
        pass_days([with_b, without], data, events=True)
    with_b.roll_back(to=1)

    for _ in range(3):
        with_b.look()
        without.look()
        assert with_b.tags == without.tags
        pass_days([with_b, without], data, events=False)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_rolling_back_is_as_if_the_undone_version_had_never_been(data: st.DataObject) -> None:
    any_undoing(data)
