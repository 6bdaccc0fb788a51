"""Hosts need root: without it the command says so and does nothing."""

from __future__ import annotations

import pytest

from tests.chaos.hosts import main


def test_without_root_the_command_says_why_it_does_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    main()

    assert capsys.readouterr().out.startswith("skipped: network namespaces need")
