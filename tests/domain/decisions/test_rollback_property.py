"""After a roll-back a customer has the tags as if the undone version had never been published."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from service.domain.decisions.state import CustomerState
from service.domain.documents.parser import validate_rules
from tests.domain.decisions.simulated_shop import SimulatedShop
from tests.reference import strategies

DAYS = st.sampled_from((0, 1, 4, 5, 29, 31))


def observable(shop: SimulatedShop) -> tuple[Any, ...]:
    return (
        shop.tags,
        dict(shop.state.holds),
        {key: own.rule for key, own in shop.state.ownership.items()},
    )


def no_downgrade_waits(state: CustomerState) -> bool:
    """How long a downgrade has waited is lost if the undone rules observe no lower level."""
    return all(hold.below_since is None for hold in state.holds.values())


def has_same_owners(undone: SimulatedShop, without: SimulatedShop) -> bool:
    """The owner of a tag before an undone rule took it over is not stored."""
    owned, expected = undone.state.ownership, without.state.ownership
    return all(owned[key].rule == expected[key].rule for key in owned.keys() & expected.keys())


def pass_days(shops: list[SimulatedShop], data: st.DataObject, *, events: bool) -> None:
    """The same happens to every shop: days pass, the record changes, a person adds or removes a tag."""
    days = timedelta(days=data.draw(DAYS))
    zone = shops[0].docs[0].timezone
    other = data.draw(strategies.customers(zone)) if events and data.draw(st.booleans()) else None
    foreign = data.draw(st.sets(st.sampled_from(strategies.FOREIGN))) if events else set[str]()
    for shop in shops:
        shop.today += days
        tags = [tag for tag in shop.customer.tags if tag not in strategies.FOREIGN]
        if other is not None:
            shop.customer = msgspec.structs.replace(other, tags=shop.customer.tags)
        if events:
            shop.set_tags(*tags, *sorted(foreign))


def check_any_rollback(data: st.DataObject) -> None:
    doc = data.draw(strategies.documents())
    other = {**data.draw(strategies.documents()), "timezone": doc["timezone"], "currency": doc["currency"]}
    rolled_back = SimulatedShop(
        [validate_rules(doc)], data.draw(strategies.customers(doc["timezone"])), data.draw(strategies.DAYS)
    )
    for _ in range(data.draw(st.integers(1, 2))):
        rolled_back.decide()
        pass_days([rolled_back], data, events=True)
    rolled_back.decide()
    without = rolled_back.copy()
    before = observable(without)
    assume(no_downgrade_waits(without.state))

    rolled_back.publish(validate_rules(other))
    for _ in range(data.draw(st.integers(1, 3))):
        rolled_back.decide()
        without.decide()
        # A roll-back cannot know what only the first rules would have observed.
        assume(observable(without) == before)
        assume(has_same_owners(rolled_back, without))
        pass_days([rolled_back, without], data, events=True)
    rolled_back.roll_back(to=1)

    for _ in range(3):
        rolled_back.decide()
        without.decide()
        assert rolled_back.tags == without.tags
        pass_days([rolled_back, without], data, events=False)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_roll_back_leaves_the_tags_as_if_the_undone_version_had_never_been_published(
    data: st.DataObject,
) -> None:
    check_any_rollback(data)
