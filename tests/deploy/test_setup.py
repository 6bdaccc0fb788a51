"""The set-up of the scripts: what they need, what they report, and that it runs only once."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD_PYTHON = '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n'
NO_VENV = '#!/bin/sh\ncase "$*" in *venv*) exit 1 ;; esac\nexit 0\n'
TOOLS = ("sh", "cat", "cksum", "date", "dirname", "env", "printf", "pwd", "readlink", "rm", "mkdir", "touch")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A copy of the scripts, with pins that need no download, and a PATH of its own."""

    folder: Path
    path: Path

    def offer(self, name: str, program: str) -> None:
        """Put a program on the PATH."""
        file = self.path / name
        file.write_text(program, encoding="utf-8")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def run(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            ["/bin/sh", str(self.folder / "deploy/tagger"), *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd or self.folder,
            env={"PATH": str(self.path)},
        )


def copied(folder: Path, path: Path) -> Checkout:
    (folder / "deploy" / "cli").mkdir(parents=True)
    path.mkdir()
    for name in ("setup.sh", "tagger"):
        shutil.copy(ROOT / "deploy" / name, folder / "deploy" / name)
    (folder / "deploy" / "requirements.txt").write_text("")
    (folder / "deploy" / "__init__.py").write_text("")
    (folder / "deploy" / "cli" / "__main__.py").write_text("import sys; print('tagger', *sys.argv[1:])\n")
    for tool in TOOLS:
        if program := shutil.which(tool):
            (path / tool).symlink_to(program)
    return Checkout(folder, path)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return copied(tmp_path / "có dấu và cách", tmp_path / "bin")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout that was set up once: making a virtual environment takes seconds."""
    base = tmp_path_factory.mktemp("ready")
    checkout = copied(base / "có dấu và cách", base / "bin")
    checkout.offer("python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    result = checkout.run("shops", "list")
    assert (result.returncode, result.stdout) == (0, "tagger shops list\n"), result.stderr
    assert "Setting up" in result.stderr
    return checkout


def test_without_any_python_it_says_what_is_needed(checkout: Checkout) -> None:
    result = checkout.run()

    assert result.returncode == 1
    assert "Python 3.11 or later is needed" in result.stderr
    assert "there is no python3" in result.stderr


def test_a_python_that_is_too_old_is_reported(checkout: Checkout) -> None:
    checkout.offer("python3", OLD_PYTHON)

    result = checkout.run()

    assert result.returncode == 1
    assert "Python 3.11 or later is needed, and was not found on PATH (Python 3.9.2)" in result.stderr


def test_a_python_without_venv_says_how_to_get_it(checkout: Checkout) -> None:
    checkout.offer("python3", NO_VENV)

    result = checkout.run()

    assert result.returncode == 1
    assert "has no venv module" in result.stderr
    assert "apt install python3-venv" in result.stderr


def test_the_second_start_does_nothing_but_start_from_any_folder(ready: Checkout, tmp_path: Path) -> None:
    result = ready.run("--env-file", "a b", cwd=tmp_path)

    assert (result.returncode, result.stdout, result.stderr) == (0, "tagger --env-file a b\n", "")


def test_uv_is_used_where_it_is(checkout: Checkout) -> None:
    checkout.offer(
        "uv",
        f"""#!/bin/sh
echo "uv $*" >>"{checkout.path}/calls"
for last; do :; done
[ "$1" != venv ] || exec "{sys.executable}" -m venv --without-pip "$last"
""",
    )

    result = checkout.run("--help")

    calls = (checkout.path / "calls").read_text().splitlines()
    assert calls[0].startswith("uv venv --quiet")
    assert calls[1].startswith("uv pip install --quiet --python")
    assert "--require-hashes" in calls[1]
    assert (result.returncode, result.stdout) == (0, "tagger --help\n"), result.stderr


def test_other_pins_are_installed_and_a_failure_is_not_taken_for_done(ready: Checkout) -> None:
    pins = ready.folder / "deploy" / "requirements.txt"

    pins.write_text("./not-there.whl --hash=sha256:" + "0" * 64 + "\n")
    failed = ready.run()
    still_failed = ready.run()
    pins.write_text("")
    repaired = ready.run()

    for result in (failed, still_failed):
        assert result.returncode == 1
        assert "could not be installed" in result.stderr
    assert repaired.returncode == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_reported(checkout: Checkout) -> None:
    checkout.offer("python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    checkout.folder.chmod(0o555)

    result = checkout.run()

    assert result.returncode == 1
