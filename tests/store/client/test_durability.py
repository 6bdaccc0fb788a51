"""Durability checks: which servers keep acknowledged webhooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.errors import InvalidSettings
from service.store.client import RedisClient
from service.store.client.connection import connect
from service.store.client.durability import (
    Durability,
    check_server,
    evaluate_config,
    evaluate_info,
    require_durable,
)
from tests.support.valkey import valkey

FIT = {
    "appendonly": "yes",
    "appendfsync": "always",
    "aof-load-truncated": "no",
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "no-appendfsync-on-rewrite": "no",
    "save": "",
}


@pytest.mark.parametrize(
    ("changed", "durability", "found"),
    [
        pytest.param({}, "fsync", [], id="fit"),
        pytest.param({"appendfsync": "everysec"}, "everysec", [], id="opted out"),
        pytest.param({"appendfsync": "everysec"}, "fsync", [("refused", "not_durable")], id="everysec"),
        pytest.param({"appendonly": "no"}, "fsync", [("refused", "not_durable")], id="no file"),
        pytest.param({"appendonly": "no"}, "everysec", [("warning", "no_append_only_file")], id="opted out of all"),
        pytest.param({"no-appendfsync-on-rewrite": "yes"}, "fsync", [("refused", "no_fsync_on_rewrite")], id="pauses"),
        pytest.param({"aof-load-truncated": "yes"}, "fsync", [("warning", "cuts_torn_log")], id="cuts by itself"),
        pytest.param({"aof-load-truncated": "yes"}, "everysec", [], id="cuts by itself, opted out"),
        pytest.param({"maxmemory-policy": "allkeys-lru"}, "fsync", [("warning", "evicts")], id="would evict"),
        pytest.param(
            {"maxmemory-policy": "allkeys-lru", "maxmemory": "100"}, "fsync", [("refused", "evicts")], id="evicts"
        ),
    ],
)  # fmt: skip
def test_the_settings_of_a_server_are_checked(
    changed: dict[str, str], durability: Durability, found: list[tuple[str, str]]
) -> None:
    assert [(each.level, each.name) for each in evaluate_config({**FIT, **changed}, durability)] == found


def test_a_refusal_names_the_opt_out_and_what_it_may_lose() -> None:
    with pytest.raises(InvalidSettings, match=r"(?s)appendfsync always.*DURABILITY=everysec.*may lose"):
        require_durable(evaluate_config({**FIT, "appendfsync": "everysec"}, "fsync"))


def test_hidden_settings_are_a_note() -> None:
    findings = evaluate_config(None, "fsync")

    require_durable(findings)
    assert [(each.level, each.name) for each in findings] == [("note", "config_hidden")]


@pytest.mark.one_server
async def test_a_real_server_is_checked(redis: RedisClient) -> None:
    assert [each.name for each in await check_server(redis, "fsync")] == ["not_durable"]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        pytest.param({}, [], id="a primary with room"),
        pytest.param({"maxmemory": 0}, [], id="no limit"),
        pytest.param({"used_memory": 90}, [("warning", "nearly_full")], id="nine tenths are used"),
        pytest.param({"used_memory": 95, "mem_not_counted_for_evict": 10}, [], id="buffers do not count"),
        pytest.param({"cluster_enabled": 1}, [("refused", "cluster_node")], id="a node of a cluster"),
        pytest.param({"role": "slave"}, [("refused", "replica")], id="a replica"),
    ],
)
def test_the_state_of_a_server_is_checked(changed: dict[str, Any], found: list[tuple[str, str]]) -> None:
    info = {"role": "master", "cluster_enabled": 0, "maxmemory": 100, "used_memory": 50}

    assert [(each.level, each.name) for each in evaluate_info({**info, **changed})] == found


async def test_a_node_of_a_cluster_is_refused_in_words(tmp_path: Path) -> None:
    with valkey(tmp_path, cluster=True) as url:
        client = connect(url)
        with pytest.raises(InvalidSettings, match="one node of a cluster"):
            require_durable(await check_server(client, "everysec"))
        await client.aclose()
