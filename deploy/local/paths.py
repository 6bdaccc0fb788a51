"""The project folder, and the folders with the data of `tagger up` and the demo."""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from service.errors import Refused
from service.sentence import Sentence

PRIVATE_UMASK: Final = 0o077  # of processes: only this user can read what they create
PRIVATE_MODE: Final = 0o700


def project_folder() -> Path:
    """The checkout, or the current folder if the project was installed as a package."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def data_folder() -> Path:
    """The folder of `tagger up`: the files of its Redis server, and its secret key."""
    return _state_folder() / "up"


def _state_folder() -> Path:
    return project_folder() / ".tagger"


def create_private_folder(folder: Path) -> None:
    """Create the folder and its missing parents, so that only this user can read them.

    Its files have personal data. A folder that exists already, and `.tagger` above it, become private as well.
    """
    for path in (*reversed(folder.parents), folder):
        path.mkdir(mode=PRIVATE_MODE, exist_ok=True)
    for path in (folder, _state_folder()):
        if path.is_dir():
            path.chmod(PRIVATE_MODE)


def local_redis_url() -> str | None:
    """The address of the Redis server of a running `tagger up`, if there is one."""
    file = data_folder() / "store.url"
    return file.read_text(encoding="utf-8").strip() if file.is_file() else None


@contextmanager
def lock_folder(folder: Path) -> Iterator[Path]:
    """Lock the folder, so that two Redis servers never write to the same file. Raises Refused.

    The lock ends with the process, however it ends.
    """
    create_private_folder(folder.parent)
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Refused(Sentence("another process already uses {folder}", folder=str(folder))) from exc
        yield folder


def secret_key_file() -> Path:
    """The file of the key that `tagger up` makes. Only this user can read it."""
    return data_folder() / "secret_key"


def local_secret_key(*, create: bool = False) -> str | None:
    """The key that encrypts tokens if SECRET_KEY is not set."""
    file = secret_key_file()
    if not file.is_file():
        if not create:
            return None
        create_private_folder(file.parent)
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    return file.read_text(encoding="ascii").strip()


@contextmanager
def demo_folder() -> Iterator[Path]:
    """A folder for one run of the demo: logs, and settings for a second terminal. Concurrent demos use different ones."""
    for number in count(1):
        name = "demo" if number == 1 else f"demo-{number}"
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(lock_folder(_state_folder() / name))
            except Refused:
                continue
            yield folder
            return
