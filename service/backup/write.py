"""Writing a backup while web and workers run: the service, then one shop after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO

from service.backup.encryption import EncryptedWriter, Secret
from service.backup.file import Contents, Section
from service.backup.records import End, Record, SectionEnd, SectionStart, Start, encode_record
from service.context import Context
from service.domain.access import Actor
from service.sentence import Sentence
from service.store.backup import Part, read_service, read_shop
from service.store.client import SERVICE, keys
from service.store.encryption import fingerprint_of
from service.store.history import audit_log


async def write_backup(
    context: Context,
    file: BinaryIO,
    secret: Secret,
    *,
    program: str,
    by: Actor,
    on_customers: Callable[[int], None] = lambda _: None,
) -> Contents:
    """Write a backup of everything to the file, and return what it has. `on_customers` gets the customers read so far.

    It is recorded in the audit log of the service first, because a copy of the data leaves. The caller closes the file and
    then calls `service.store.backup.status.save`. Raises NotFound if a shop is removed meanwhile: the file is then
    incomplete.
    """
    orgs = await context.shops.orgs()
    await audit_log.record(context.redis, by, "backup", summary=Sentence("shops: {count}", count=len(orgs)))
    writer = _Writer(file, secret, on_customers)
    start = Start(
        layout=keys.LAYOUT,
        program=program,
        at_ms=await context.now_ms(),
        store_id=await _store_id(context),
    )
    writer.write(start)
    sections = [await writer.write_section(SectionStart(SERVICE, ""), read_service(context.redis))]
    for org in orgs:
        shop = await context.shops.describe(org)
        wrapped = await context.redis.hvals(keys.shop(org, "data_keys"))
        section = SectionStart(org, shop.name, tuple(sorted({fingerprint_of(key) for key in wrapped})))
        sections.append(await writer.write_section(section, read_shop(context.redis, org)))
    writer.finish(len(sections))
    return Contents(start, tuple(sections))


class _Writer:
    def __init__(self, file: BinaryIO, secret: Secret, on_customers: Callable[[int], None]) -> None:
        self._encrypted = EncryptedWriter(file, secret)
        self._on_customers = on_customers
        self._parts = self._customers = 0

    def write(self, record: Record) -> None:
        self._encrypted.write(encode_record(record))

    async def write_section(self, section: SectionStart, parts: AsyncIterator[Part]) -> Section:
        counts: Counter[str] = Counter()
        self.write(section)
        async for part in parts:
            if not part.entries:
                continue
            self.write(part)
            self._parts += 1
            counts[part.name] += len(part.entries)
            if part.name == "owned":
                self._customers += len(part.entries)
                self._on_customers(self._customers)
        self.write(SectionEnd(dict(counts)))
        return Section(section.org, section.name, section.fingerprints, dict(counts))

    def finish(self, sections: int) -> None:
        self.write(End(sections, self._parts))
        self._encrypted.close()


async def _store_id(context: Context) -> str:
    stored = await context.redis.hget(keys.of_partition(0, "store"), "id")
    return (stored or b"").decode()
