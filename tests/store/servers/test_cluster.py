"""The map of a cluster, from what its nodes say."""

from __future__ import annotations

import pytest
from redis.crc import key_slot

from service.store.client import keys
from service.store.servers.address import Endpoint
from service.store.servers.cluster import ClusterMap, parse_nodes, slot_of

ASKED = Endpoint("10.0.0.1", 7001)
OLD, NEW = Endpoint("10.0.0.1", 7001), Endpoint("10.0.0.2", 7002)


def node(location: str, flags: str, epoch: int, *slots: str) -> str:
    """A line of CLUSTER NODES."""
    return f"07c37df {location} {flags} - 0 1426238317239 {epoch} connected {' '.join(slots)}".strip()


@pytest.mark.parametrize("key", ["a", "{p17}:b", "a{b}c", "{}a", "a{}b", "{a", "foo{{bar}}zap", "ư{ơ}"])
def test_slots_are_those_of_redis(key: str) -> None:
    assert slot_of(key.encode()) == key_slot(key.encode())


def test_all_keys_of_a_partition_have_one_slot_and_partitions_have_different_ones() -> None:
    assert len({slot_of(key.encode()) for key in keys.of_partitions("due_shops")}) == 64
    assert slot_of(keys.shop("1000", "lease").encode()) == slot_of(keys.partition_key("1000", "x").encode())


def test_the_newest_epoch_owns_a_slot() -> None:
    old = parse_nodes(node("10.0.0.1:7001@17001", "myself,master", 3, "0-100", "200"), OLD)
    new = parse_nodes(node("10.0.0.2:7002@17002", "myself,master", 4, "50-100"), NEW)

    for views in ([old, new], [new, old]):
        found = ClusterMap(views)
        assert [found.owner(slot) for slot in (0, 49, 50, 100, 101, 200)] == [OLD, OLD, NEW, NEW, None, OLD]
        assert found.owners() == (OLD, NEW)


def test_a_primary_that_lost_the_ends_of_its_slots_is_still_an_owner() -> None:
    old = parse_nodes(node("10.0.0.1:7001@17001", "myself,master", 3, "0-100"), OLD)
    new = parse_nodes(node("10.0.0.2:7002@17002", "myself,master", 4, "0", "100"), NEW)

    assert set(ClusterMap([old, new]).owners()) == {OLD, NEW}


def test_a_primary_that_lost_all_slots_owns_nothing() -> None:
    text = "\n".join(
        [
            node("10.0.0.1:7001@17001", "master,fail", 3),
            node("10.0.0.2:7002@17002", "myself,master", 4, "0-16383"),
            node("10.0.0.3:7003@17003", "slave", 4),
        ]
    )
    found = ClusterMap([parse_nodes(text, NEW)])

    assert found.owners() == (NEW,)
    assert len(found.nodes) == 3


def test_a_slot_that_is_being_moved_belongs_to_its_old_owner() -> None:
    text = node("10.0.0.1:7001@17001", "myself,master", 3, "0-10", "[5->-67ed2db]", "[77-<-67ed2db]")
    found = ClusterMap([parse_nodes(text, OLD)])

    assert (found.owner(5), found.owner(77)) == (OLD, None)


@pytest.mark.parametrize(
    ("location", "endpoint"),
    [
        ("10.0.0.9:7000@17000", ("10.0.0.9", 7000)),
        ("10.0.0.9:7000@17000,store-1.example,shard-id=69bc080733d1355567", ("store-1.example", 7000)),
        ("10.0.0.9:7000@17000,,shard-id=69bc080733d1355567", ("10.0.0.9", 7000)),
        ("2001:db8::9:7000@17000", ("2001:db8::9", 7000)),
        (":7000@17000", ("10.0.0.1", 7000)),  # the node does not know its address yet
    ],
)
def test_a_node_is_reached_by_its_announced_name_or_its_address(
    location: str, endpoint: tuple[str, int]
) -> None:
    view = parse_nodes(node(location, "myself,master", 1, "0-16383"), ASKED)

    assert ClusterMap([view]).owner(0) == endpoint


def test_a_node_without_an_address_is_left_out() -> None:
    """A reset node has a new id. The others list the old id, until they forget it, without an address."""
    text = "\n".join(
        [node(":0@0", "master,fail,noaddr", 3), node("10.0.0.1:7001@17001", "myself,master", 4, "0-5")]
    )
    view = parse_nodes(text, ASKED)

    assert view.nodes == (ASKED,)
    assert ClusterMap([view]).owner(0) == ASKED


def test_an_address_in_an_error_is_the_announced_name() -> None:
    line = node("10.0.0.9:7000@17000,store-1.example", "master", 1, "0-5")
    found = ClusterMap([parse_nodes(line, ASKED)])

    assert found.name(Endpoint("10.0.0.9", 7000)) == Endpoint("store-1.example", 7000)
    assert found.name(NEW) == NEW


def test_an_owner_from_an_error_counts_until_the_next_map() -> None:
    found = ClusterMap([parse_nodes(node("10.0.0.1:7001@17001", "master", 3, "0-10"), OLD)])

    found.move(7, NEW)

    assert (found.owner(7), found.owner(8)) == (NEW, OLD)
    assert set(found.owners()) == {OLD, NEW}
