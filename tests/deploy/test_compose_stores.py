"""The compose files of Sentinel, a cluster and the wake-ups: their schema, their protections, and that their servers start."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from redis import Redis

from deploy.local.valkey import server_executable
from service.store.servers import parse_address
from tests.support.ports import free_port
from tests.support.processes import ROOT
from tests.support.tools import run_tool
from tests.support.wait import wait_for_address

OVERRIDES: Final = ("queue", "sentinel", "cluster")
PASSWORD: Final = "5d41402abc4b2a76b9719d911017c592"
FILES: Final[dict[str, dict[str, Any]]] = {
    name: yaml.safe_load((ROOT / f"deploy/compose.{name}.yaml").read_text(encoding="utf-8"))
    for name in OVERRIDES
}
BASE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
SERVERS: Final = [
    (name, service)
    for name, file in FILES.items()
    for service, settings in file["services"].items()
    if "image" in settings
]


@pytest.mark.parametrize("name", OVERRIDES)
def test_it_fits_the_schema_of_compose(name: str) -> None:
    path = ROOT / f"deploy/compose.{name}.yaml"

    result = run_tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("name", "service"), SERVERS)
def test_every_server_is_protected_like_the_store(name: str, service: str) -> None:
    settings = FILES[name]["services"][service]

    assert settings["image"] == BASE["services"]["store"]["image"]
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert settings["secrets"] == ["store_password"]
    assert settings["mem_limit"]
    assert settings["pids_limit"]
    assert "ports" not in settings


@pytest.mark.parametrize("name", ["sentinel", "cluster"])
def test_the_address_in_the_file_is_that_of_its_servers(name: str) -> None:
    text = (ROOT / f"deploy/compose.{name}.yaml").read_text(encoding="utf-8")
    url = text.partition("STORE_URL=")[2].partition("\n")[0]
    addresses = {
        service["networks"]["servers"]["ipv4_address"]
        for service in FILES[name]["services"].values()
        if isinstance(service.get("networks"), dict)
    }

    assert {endpoint.host for endpoint in parse_address(url).endpoints} <= addresses


Start = Callable[[str, str, dict[str, str]], Redis]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server by the command of a compose file with this machine's paths and a port of its own."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(name: str, service: str, environ: dict[str, str]) -> Redis:
        for folder in ("data", "run", "secrets"):
            (tmp_path / folder).mkdir()
        (tmp_path / "secrets/store_password").write_text(PASSWORD, encoding="utf-8")
        port = free_port(partner_offset=10_000)
        [shell, option, script] = FILES[name]["services"][service]["command"]
        for old, new in {
            "/etc/valkey/redis.conf": str(ROOT / "deploy/redis.conf"),
            "/etc/valkey/repair-aof": str(ROOT / "deploy/repair-aof"),
            "/run/secrets": str(tmp_path / "secrets"),
            "/run/valkey": str(tmp_path / "run"),
            "/data": str(tmp_path / "data"),
            "$$": "$",
            "exec valkey-server": f"exec {server_executable()}",
            "port 26379": f"port {port}",
            "172.30.81.21": "127.0.0.1",
        }.items():
            script = script.replace(old, new)
        script = script.replace(".conf --sentinel", f".conf --sentinel --port {port}")
        if not script.endswith(str(port)):
            script += f" --port {port} --bind 127.0.0.1"
        processes.append(
            subprocess.Popen(  # noqa: S603
                [shell, option, script],
                cwd=tmp_path / "data",
                env={"PATH": "/usr/bin:/bin", **environ},
                stdout=subprocess.DEVNULL,
            )
        )
        wait_for_address(port)
        return Redis(port=port, password=PASSWORD, decode_responses=True)

    yield run
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.process
def test_a_node_of_the_cluster_keeps_what_it_acknowledges(start: Start) -> None:
    with start("cluster", "node-1", {}) as redis:
        info = redis.info("cluster")
        settings = redis.config_get("*")

    assert info["cluster_enabled"] == 1
    assert (settings["appendfsync"], settings["min-replicas-to-write"]) == ("always", "1")
    assert (settings["cluster-node-timeout"], settings["cluster-require-full-coverage"]) == ("1500", "no")


@pytest.mark.process
def test_the_second_server_of_sentinel_is_a_replica(start: Start) -> None:
    with start("sentinel", "store-2", {"REPLICA_OF": "127.0.0.1"}) as redis:
        assert redis.info("replication")["role"] == "slave"
        assert redis.config_get("appendfsync") == {"appendfsync": "always"}


@pytest.mark.process
def test_a_sentinel_watches_the_primary(start: Start) -> None:
    with start("sentinel", "sentinel-1", {}) as redis:
        [state] = redis.sentinel_masters().values()

    assert (state["name"], state["quorum"], state["down-after-milliseconds"]) == ("mymaster", 2, 2000)


@pytest.mark.process
def test_the_server_of_the_wake_ups_needs_no_disk(start: Start) -> None:
    with start("queue", "queue", {}) as redis:
        assert redis.config_get("appendonly") == {"appendonly": "no"}
        assert redis.config_get("save") == {"save": ""}
