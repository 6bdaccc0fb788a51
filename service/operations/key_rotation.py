"""Rotation of SECRET_KEY: which key wraps the data keys of which shops, and wrapping all of them with the first key."""

from __future__ import annotations

import msgspec

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import OrgId
from service.errors import InvalidSettings
from service.store import encryption
from service.store.history import audit_log


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


async def key_status(context: Context) -> KeyStatus:
    """Which key wraps how many data keys. Scans all keys of the server."""
    keyring = context.shops.keyring
    positions = {fingerprint: number for number, fingerprint in enumerate(keyring.fingerprints, 1)}
    wrapped: dict[str, list[OrgId]] = {fingerprint: [] for fingerprint in positions}
    for row in await encryption.list_wrapped(context.redis, keyring):
        wrapped.setdefault(row.fingerprint, []).append(row.org)
    uses = tuple(
        KeyUse(fingerprint, positions.get(fingerprint, 0), len(orgs), tuple(dict.fromkeys(orgs)))
        for fingerprint, orgs in wrapped.items()
    )
    return KeyStatus(uses, sum(use.data_keys for use in uses if use.position != 1))


async def rotate_keys(context: Context, *, by: Actor, delete_unreadable: bool = False) -> KeyStatus:
    """Wrap all data keys with the first key of SECRET_KEY. Returns what is left.

    Web and workers go on meanwhile, if their SECRET_KEY has the first key, too. With `delete_unreadable`, data keys that
    no key of SECRET_KEY opens are deleted: what they sealed can then never be read again. Raises InvalidSettings without
    SECRET_KEY.
    """
    keyring = context.shops.keyring
    if not keyring.fingerprints:
        raise InvalidSettings("SECRET_KEY is missing: its first key wraps the data keys")
    summary = f"wrap every data key with the key {keyring.fingerprints[0]}"
    if delete_unreadable:
        summary += ", and delete those that no key opens"
    async with audit_log.recorded(context.redis, by, "rotate_keys", summary=summary):
        for org in {row.org: None for row in await encryption.list_wrapped(context.redis, keyring)}:
            await encryption.rewrap(context.redis, keyring, org)
            if delete_unreadable:
                await encryption.delete_unreadable(context.redis, keyring, org)
    return await key_status(context)
