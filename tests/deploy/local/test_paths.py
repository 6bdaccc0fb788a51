"""Folders with personal data belong to this user alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.local import paths
from deploy.local.paths import create_private_folder, local_secret_key


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "project_folder", lambda: tmp_path)
    return tmp_path


def test_a_folder_and_its_missing_parents_are_private(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        create_private_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)

    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)


def test_folders_that_were_open_to_others_become_private(project: Path) -> None:
    folder = project / ".tagger" / "up"
    folder.mkdir(parents=True)
    for path in (folder, folder.parent):
        path.chmod(0o755)

    local_secret_key(create=True)

    assert (mode(folder.parent), mode(folder), mode(folder / "secret_key")) == (0o700, 0o700, 0o600)
