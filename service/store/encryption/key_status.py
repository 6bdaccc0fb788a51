"""Which keys are in use: those of SECRET_KEY, and others that wrap a data key."""

from __future__ import annotations

import msgspec

from service.domain.customers import OrgId
from service.store.client import RedisClient
from service.store.encryption.data_keys import list_wrapped
from service.store.encryption.keyring import KeyRing


class KeyUse(msgspec.Struct, frozen=True):
    """A key, by its fingerprint, and what it wraps. `position` counts from 1 in SECRET_KEY; 0: it is not in SECRET_KEY."""

    fingerprint: str
    position: int
    data_keys: int
    shops: tuple[OrgId, ...]


class KeyStatus(msgspec.Struct, frozen=True):
    """All keys of SECRET_KEY and all others that wrap a data key. `left`: data keys that the first key does not wrap."""

    keys: tuple[KeyUse, ...]
    left: int

    @property
    def unreadable(self) -> tuple[OrgId, ...]:
        """The shops with a data key that no key of SECRET_KEY opens."""
        return tuple(sorted({org for use in self.keys if not use.position for org in use.shops}))


async def key_status(redis: RedisClient, keyring: KeyRing) -> KeyStatus:
    """Which key wraps how many data keys. Scans all keys of the server."""
    positions = {fingerprint: number for number, fingerprint in enumerate(keyring.fingerprints, 1)}
    wrapped: dict[str, list[OrgId]] = {fingerprint: [] for fingerprint in positions}
    for row in await list_wrapped(redis, keyring):
        wrapped.setdefault(row.fingerprint, []).append(row.org)
    uses = tuple(
        KeyUse(fingerprint, positions.get(fingerprint, 0), len(orgs), tuple(dict.fromkeys(orgs)))
        for fingerprint, orgs in wrapped.items()
    )
    return KeyStatus(uses, sum(use.data_keys for use in uses if use.position != 1))
