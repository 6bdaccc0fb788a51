"""Where things are: the project's folder, and the ones in which `tagger up` and the demo keep their data."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from service.errors import Refused


def project_folder() -> Path:
    """The checkout, or the current folder where the project was installed as a package."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def data_folder() -> Path:
    """What `tagger up` keeps between runs: the store's files and the key that seals tokens."""
    return project_folder() / ".tagger" / "up"


def own_store_url() -> str | None:
    """The store that `tagger up` runs at this moment, if it does."""
    kept = data_folder() / "store.url"
    return kept.read_text(encoding="utf-8").strip() if kept.is_file() else None


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Hold the folder for this process alone, else two stores would write into one file. Raises Refused.

    The hold ends with the process, however it ends.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Refused(f"another process works in {folder} already") from exc
        yield folder


@contextmanager
def demo_folder() -> Iterator[Path]:
    """A folder for one run of the demo: logs, and settings for a second terminal. Two demos get two folders."""
    for number in count(1):
        name = "demo" if number == 1 else f"demo-{number}"
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(claimed(project_folder() / ".tagger" / name))
            except Refused:
                continue
            yield folder
            return
