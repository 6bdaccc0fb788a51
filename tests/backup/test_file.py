"""A backup is read in order, with the counts that it states; anything else is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from service.backup.encryption import EncryptedWriter, KeySource, Secret
from service.backup.file import read_records, verify
from service.backup.records import End, Record, SectionEnd, SectionStart, Start, encode_record
from service.domain.customers import OrgId
from service.errors import MalformedData
from service.store.backup import Part

SECRET = Secret(KeySource.KEY_FILE, b"0123456789abcdef" * 2)
START = Start(1, "0.1.0", 5, "abc")
SHOP = SectionStart(OrgId("1000000001"), "Hoa", ("f1",))
OWNED = Part("owned", "hash", ((b"1", b"x"), (b"2", b"y")))
WHOLE: Sequence[Record] = (START, SHOP, OWNED, OWNED, SectionEnd({"owned": 4}), End(1, 2))


def write(folder: Path, records: Sequence[Record], *, more: bytes = b"") -> Path:
    path = folder / "file.backup"
    with path.open("wb") as file:
        writer = EncryptedWriter(file, SECRET)
        writer.write(b"".join(map(encode_record, records)) + more)
        writer.close()
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE)

    assert list(read_records(path, SECRET)) == list(WHOLE)
    contents = verify(path, SECRET)
    assert contents.start == START
    assert [(each.org, each.name, each.counts) for each in contents.sections] == [
        (SHOP.org, "Hoa", {"owned": 4})
    ]


@pytest.mark.parametrize(
    "records",
    [
        (),
        WHOLE[1:],
        WHOLE[:-1],
        (*WHOLE[:2], *WHOLE[4:]),
        (*WHOLE[:3], *WHOLE[4:]),
        (START, OWNED, End(0, 1)),
        (START, SHOP, SHOP, SectionEnd({}), End(1, 0)),
        (START, SHOP, End(1, 0)),
        (START, SectionEnd({}), End(1, 0)),
        (*WHOLE[:-1], End(2, 2)),
        (*WHOLE, START),
        (START, START, *WHOLE[1:]),
        (START, SHOP, Part("snapshots", "hash", ((b"1", b"x"),)), SectionEnd({"snapshots": 1}), End(1, 1)),
        (START, SHOP, Part("owned", "list", ((b"1",),)), SectionEnd({"owned": 1}), End(1, 1)),
    ],
)
def test_records_in_another_order_or_number_are_refused(tmp_path: Path, records: Sequence[Record]) -> None:
    with pytest.raises(MalformedData):
        verify(write(tmp_path, records), SECRET)


@pytest.mark.parametrize(
    "more", [b"\x00\x00", b"\x00\x00\x00\x05ab", b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1"]
)
def test_bytes_that_are_no_record_are_refused(tmp_path: Path, more: bytes) -> None:
    with pytest.raises(MalformedData):
        verify(write(tmp_path, WHOLE[:-1], more=more), SECRET)
