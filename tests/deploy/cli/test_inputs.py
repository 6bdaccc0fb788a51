"""The settings file: its format, its precedence, its errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.cli import inputs
from deploy.cli.inputs import load_env_file, settings_source
from service.errors import InvalidSettings


def loaded(path: Path, text: str, **environ: str) -> dict[str, str]:
    path.write_text(text, encoding="utf-8")
    load_env_file(path, environ)
    return environ


def test_the_environment_comes_first(tmp_path: Path) -> None:
    assert loaded(tmp_path / ".env", "PORT=1\nSECRET_KEY=k", PORT="2") == {"PORT": "2", "SECRET_KEY": "k"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("PORT=8000", "8000"),
        ("  PORT = 8000 ", "8000"),
        ("export PORT=8000", "8000"),
        ("PORT='8000'", "8000"),
        ('PORT="80 00"', "80 00"),
        ("PORT=a=b", "a=b"),
        ("PORT=", ""),
        ("# PORT=1\n\nPORT=8000", "8000"),
        ("PORT=8000  # a comment", "8000"),
        ("PORT=a#b", "a#b"),
        ("PORT='${HOME}'", "${HOME}"),
    ],
    ids=[
        "plain",
        "spaces",
        "export",
        "single quotes",
        "double quotes",
        "an equals sign",
        "empty",
        "comments",
        "a comment behind the value",
        "a hash inside the value",
        "no interpolation",
    ],
)
def test_lines_are_read_as_honcho_and_compose_read_them(tmp_path: Path, text: str, value: str) -> None:
    assert loaded(tmp_path / ".env", text) == {"PORT": value}


@pytest.mark.parametrize(
    "line",
    ["PORT", "=8000", "a b=1", "PORT='x"],
    ids=["no value", "no name", "a name with a space", "one quote"],
)
def test_an_invalid_line_is_reported_by_its_number_without_its_text(tmp_path: Path, line: str) -> None:
    with pytest.raises(InvalidSettings, match=r"\.env, line 2: expected NAME=value$"):
        loaded(tmp_path / ".env", f"PORT=1\n{line}")


def test_another_encoding_is_refused_and_a_byte_order_mark_is_ignored(
    tmp_path: Path,
) -> None:
    assert loaded(tmp_path / ".env", "\ufeffPORT=8000") == {"PORT": "8000"}

    (tmp_path / ".env").write_text("PORT=8000", encoding="utf-16")
    with pytest.raises(InvalidSettings, match="not UTF-8"):
        load_env_file(tmp_path / ".env", {})


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="no settings file"):
        load_env_file(tmp_path / "none", {})


def test_without_a_name_the_file_of_this_folder_comes_before_that_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, project = tmp_path / "here", tmp_path / "project"
    for folder, port in ((here, 1), (project, 2)):
        folder.mkdir()
        (folder / ".env").write_text(f"PORT={port}", encoding="utf-8")
    monkeypatch.setattr(inputs, "project_folder", lambda: project)
    monkeypatch.chdir(here)
    first: dict[str, str] = {}
    load_env_file(None, first)
    (here / ".env").unlink()
    second: dict[str, str] = {}
    load_env_file(None, second)
    source = inputs.settings_source()
    (project / ".env").unlink()
    load_env_file(None, {})

    assert (first, second) == ({"PORT": "1"}, {"PORT": "2"})
    assert source == f"(Settings: read from the environment and {project / '.env'})"
    assert inputs.default_env_files() == [here / ".env", project / ".env"]


def test_a_settings_file_that_is_not_there_is_the_one_that_was_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=8001\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidSettings, match="no settings file"):
        load_env_file(tmp_path / "nosuch", {})

    assert str(tmp_path / "nosuch") in settings_source()
    assert str(tmp_path / ".env") not in settings_source()
