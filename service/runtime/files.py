"""Files: texts that people write (rules, settings, a customer's fields), and the version of this program."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
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


@cache
def program_version() -> str:
    """The version in pyproject.toml: the project is on the path and not installed (decision 0004)."""
    import tomllib

    file = Path(__file__).parents[2] / "pyproject.toml"
    if file.is_file():
        return str(tomllib.loads(file.read_text(encoding="utf-8"))["project"]["version"])
    try:
        return version("haravan-tagger")
    except PackageNotFoundError:
        return "unknown"
