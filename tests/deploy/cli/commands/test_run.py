"""`tagger up` says what is missing and what is wrong before it serves anything, in the language of the command line."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


async def up(folder: Path, **environ: str) -> tuple[int | None, str]:
    """The exit code of `tagger up` in a folder, and what it printed for people."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "deploy.cli", "up"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SECRET_KEY": "0123456789abcdef" * 2}
        | environ,
        cwd=folder,
    )
    _, err = await process.communicate()
    return process.returncode, err.decode()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("vi", "dòng 1, cột 22: quy tắc 1 “a”: nhãn không được có dấu phẩy"),
        ("en", "line 1, column 22: rule 1 “a”: a tag cannot contain a comma"),
    ],
)
async def test_a_rules_file_with_errors_stops_the_start_and_names_each_for_the_reader(
    tmp_path: Path, language: str, said: str
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(
        "rules: [{id: a, tag: 'x,y', when: {field: orders_count, op: is, value: 1}}]", encoding="utf-8"
    )

    code, err = await up(
        tmp_path, RULES_FILE=str(file), TAGGER_LANG=language, REDIS_URL="redis://127.0.0.1:1"
    )

    assert code == 2
    assert said in err
    assert f"{tmp_path / '.env'}" in err  # where it looked for settings


async def test_settings_that_were_not_filled_in_are_named_with_the_place_where_they_were_looked_for(
    tmp_path: Path, redis_url: str, queue_url: str
) -> None:
    with socket.socket() as taken:  # so the web process ends, and with it the command
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, err = await up(
            tmp_path,
            REDIS_URL=redis_url,
            QUEUE_URL=queue_url,
            HOST="127.0.0.1",
            PORT=port,
            DURABILITY="everysec",
        )

    assert code == 2
    for name in (
        "HARAVAN_WEBHOOK_SECRETS",
        "HARAVAN_VERIFY_TOKEN",
        "HARAVAN_ORG_ID and HARAVAN_ACCESS_TOKEN",
    ):
        assert f"· {name}: " in err
    assert "no file was found" in err
    assert f"{tmp_path / '.env'}" in err
