"""The map of a cluster: which primary owns which slot, merged from what several nodes say."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from service.store.servers.address import Endpoint, parse_endpoint

SLOTS: Final = 16_384


class SlotRange(NamedTuple):
    """Slots of one primary. Of two claims on a slot the one with the newer epoch holds."""

    epoch: int
    first: int
    last: int
    owner: Endpoint


class ClusterView(NamedTuple):
    """What one node says of its cluster."""

    ranges: tuple[SlotRange, ...]
    names: dict[Endpoint, Endpoint]  # address -> where to connect to; differs if nodes announce host names
    nodes: tuple[Endpoint, ...]  # primaries and replicas


class Member(NamedTuple):
    """One server of a store. `primary` is None if it is one itself."""

    endpoint: Endpoint
    primary: Endpoint | None = None
    slots: int = 0  # that it owns, of a cluster
    is_failed: bool = False  # as the others of the cluster say


class ClusterMap:
    """The owner of each slot. It is only as true as the views: a node that was moved away answers MOVED."""

    def __init__(self, views: Sequence[ClusterView] = ()) -> None:
        self._owners: list[Endpoint | None] = [None] * SLOTS
        for item in sorted({item for view in views for item in view.ranges}):  # the newest epoch last
            self._owners[item.first : item.last + 1] = [item.owner] * (item.last + 1 - item.first)
        self._distinct: tuple[Endpoint, ...] | None = None
        self._names = {address: name for view in views for address, name in view.names.items()}
        self.nodes = tuple(dict.fromkeys(node for view in views for node in view.nodes))

    def owner(self, slot: int) -> Endpoint | None:
        """The primary that owns the slot. None if no view says so."""
        return self._owners[slot]

    def move(self, slot: int, owner: Endpoint) -> None:
        """A server said that this slot has another owner."""
        self._owners[slot] = owner
        self._distinct = None

    def name(self, address: Endpoint) -> Endpoint:
        """Where to connect to for a node that a reply names by this address."""
        return self._names.get(address, address)

    def owners(self) -> tuple[Endpoint, ...]:
        """Every primary that owns a slot, in the order of slots."""
        if self._distinct is None:
            distinct = dict.fromkeys(self._owners)
            self._distinct = tuple(owner for owner in distinct if owner is not None)
        return self._distinct


def parse_nodes(text: str, asked: Endpoint) -> ClusterView:
    """Parse the reply to CLUSTER NODES. A node that does not know its own address yet is the one that was asked.

    Raises ValueError for any other text.

    See https://valkey.io/commands/cluster-nodes/: `id ip:port@bus[,hostname[,…]] flags primary ping pong epoch state slots`.
    """
    ranges: list[SlotRange] = []
    names: dict[Endpoint, Endpoint] = {}
    nodes: list[Endpoint] = []
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) < 8:
            continue
        _, location, flags, _, _, _, epoch, _, *slots = fields
        if "noaddr" in flags or "handshake" in flags:  # its address is `:0`, or not yet sure
            continue
        address, endpoint = _parse_location(location, asked)
        names[address] = endpoint
        nodes.append(endpoint)
        if "master" not in flags:
            continue
        for part in slots:
            if part.startswith("["):  # a slot that is being moved; its owner is still the old one
                continue
            first, _, last = part.partition("-")
            ranges.append(SlotRange(int(epoch), int(first), int(last or first), endpoint))
    return ClusterView(tuple(ranges), names, tuple(nodes))


def parse_members(text: str, asked: Endpoint) -> list[Member]:
    """Every server of the cluster that the reply to CLUSTER NODES names, also those that are away."""
    found: dict[str, tuple[Endpoint, list[str]]] = {}
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) >= 8 and "handshake" not in fields[2] and "noaddr" not in fields[2]:
            found[fields[0]] = _parse_location(fields[1], asked)[1], fields
    members: list[Member] = []
    for endpoint, fields in found.values():
        flags, primary = fields[2].split(","), fields[3]
        ranges = [part.partition("-") for part in fields[8:] if not part.startswith("[")]
        count = sum(int(last or first) - int(first) + 1 for first, _, last in ranges)
        owner = found[primary][0] if "slave" in flags and primary in found else None
        members.append(Member(endpoint, owner, count, "fail" in flags))
    return members


def _parse_location(location: str, asked: Endpoint) -> tuple[Endpoint, Endpoint]:
    """The address of a node, and where to connect to. An announced host name counts more: certificates have names."""
    address, *extra = location.split(",")
    endpoint = parse_endpoint(address.partition("@")[0])
    if not endpoint.host:
        endpoint = Endpoint(asked.host, endpoint.port)
    name = extra[0] if extra and "=" not in extra[0] else ""
    return endpoint, Endpoint(name, endpoint.port) if name else endpoint


@lru_cache(65_536)
def slot_of(key: bytes) -> int:
    """The slot of a key: only the part in braces counts, if there is one. See https://valkey.io/topics/cluster-spec/."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS
