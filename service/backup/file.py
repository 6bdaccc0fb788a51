"""Reading a backup: its sections and parts in order, with every count checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.backup.encryption import Secret, decrypt
from service.backup.records import End, Record, SectionEnd, SectionStart, Start, decode_records
from service.domain.customers import OrgId
from service.errors import MalformedData
from service.sentence import Sentence
from service.store.backup import SERVICE_KEYS, SHOP_KEYS, Part
from service.store.client import SERVICE


@dataclass(frozen=True, slots=True)
class Section:
    """What a backup has of a shop, or of the service. `counts`: entries by key."""

    org: OrgId
    name: str
    fingerprints: tuple[str, ...]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup has."""

    start: Start
    sections: tuple[Section, ...]


def verify(path: Path, secret: Secret, *, on_read: Callable[[int], None] = lambda _: None) -> Contents:
    """Read the whole file and check it. `on_read` gets the number of bytes read so far. Raises MalformedData."""
    start: Start | None = None
    sections: list[Section] = []
    opened: SectionStart | None = None
    for record in read_records(path, secret, on_read=on_read):
        match record:
            case Start():
                start = record
            case SectionStart():
                opened = record
            case SectionEnd() if opened is not None:
                sections.append(Section(opened.org, opened.name, opened.fingerprints, record.counts))
    if start is None:
        raise MalformedData(Sentence("the backup has no start"))
    return Contents(start, tuple(sections))


def read_records(
    path: Path, secret: Secret, *, on_read: Callable[[int], None] = lambda _: None
) -> Iterator[Record]:
    """The records of the file, in an order and with the counts that are right. Raises MalformedData at the first fault."""
    order = _Order()
    with path.open("rb") as file:

        def chunks() -> Iterator[bytes]:
            for chunk in decrypt(file, secret):
                yield chunk
                on_read(file.tell())

        for record in decode_records(chunks()):
            order.check(record)
            yield record
    order.check_end()


class _Order:
    """Start, then sections (start, parts, end), then the end."""

    def __init__(self) -> None:
        self._started = self._ended = False
        self._section: SectionStart | None = None
        self._counts: Counter[str] = Counter()
        self._sections = self._parts = 0

    def check(self, record: Record) -> None:
        if not self._fits(record):
            raise MalformedData(
                Sentence("the backup has a record in the wrong place: {record}", record=type(record).__name__)
            )

    def check_end(self) -> None:
        if not self._ended:
            raise MalformedData(Sentence("the backup has no end"))

    def _fits(self, record: Record) -> bool:
        if self._ended or self._started == isinstance(record, Start):
            return False
        match record:
            case Start():
                self._started = True
            case SectionStart():
                is_first, self._section = self._section is None, record
                self._counts.clear()
                return is_first
            case Part():
                self._parts += 1
                self._counts[record.name] += len(record.entries)
                return self._section is not None and _is_known(self._section.org, record)
            case SectionEnd():
                is_open, self._section = self._section is not None, None
                self._sections += 1
                return is_open and +self._counts == Counter(record.counts)
            case End():
                self._ended = True
                return self._section is None and (record.sections, record.parts) == (
                    self._sections,
                    self._parts,
                )
        return True


def _is_known(org: OrgId, part: Part) -> bool:
    return (SERVICE_KEYS if org == SERVICE else SHOP_KEYS).get(part.name) == part.kind
