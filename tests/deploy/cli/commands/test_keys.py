"""`tagger keys`."""

from __future__ import annotations

import json

import pytest

from tests.deploy.cli.environment import ORG, TOKEN, CliEnvironment

OLD, NEW = "0123456789abcdef" * 2, "fedcba9876543210" * 2


async def test_a_rotation_step_by_step(shop: CliEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", f"{NEW},{OLD}")

    before = await shop.tagger("keys", "status")
    rotated = await shop.tagger("keys", "rotate")
    monkeypatch.setenv("SECRET_KEY", NEW)
    after = await shop.tagger("keys", "status", "--json")
    alone = await shop.tagger("keys", "status")

    assert (before.code, rotated.code, after.code) == (1, 0, 0)
    assert "still in use" in before.out
    assert "Only the first key is in use.\nThe others may be removed" in rotated.out
    assert "Only the first key is in use." in alone.out
    assert "others" not in alone.out  # SECRET_KEY has one key
    status = json.loads(after.out)
    assert [(use["position"], use["data_keys"], use["shops"]) for use in status["keys"]] == [(1, 1, [ORG])]
    printed = before.out + rotated.out + after.out
    assert not any(key in printed for key in (OLD, NEW, TOKEN))


async def test_a_lost_key_is_named_with_what_to_do_and_then_forgotten(
    shop: CliEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", NEW)

    lost = await shop.tagger("keys", "rotate")
    listed = await shop.tagger("shops", "list")
    stored = await shop.tagger("shops", "token", ORG, "--token-stdin", stdin=TOKEN)
    deleted = await shop.tagger("keys", "rotate", "--delete-unreadable")

    assert (lost.code, listed.code, stored.code, deleted.code) == (1, 0, 0, 0)
    assert f"No key of SECRET_KEY opens a data key of {ORG}" in lost.out
    assert "Only the first key is in use" in deleted.out


async def test_a_shop_whose_key_is_lost_can_be_removed(
    shop: CliEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", NEW)

    removed = await shop.tagger("shops", "remove", ORG, "--yes")
    status = await shop.tagger("keys", "status")

    assert (removed.code, status.code) == (0, 0)
