"""Text files that people write: rules, settings, a customer's fields."""

from __future__ import annotations

from pathlib import Path

from service.errors import MalformedData
from service.sentence import Sentence


def read_text(path: Path) -> str:
    """The text of a file, without a byte-order mark. Raises MalformedData if it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise MalformedData(
            Sentence("{path} is not UTF-8: save it with that encoding", path=str(path))
        ) from exc
