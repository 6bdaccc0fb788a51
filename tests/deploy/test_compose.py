"""The compose file: its schema, its settings, its protections, and the command with which its store starts."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError

from deploy.local.valkey import server_executable
from tests.deploy.test_files import settings_in_code
from tests.support.processes import ROOT
from tests.support.tools import run_tool
from tests.support.wait import wait_for_address

COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
OURS: Final = ("web", "console", "worker", "backup")
PASSWORD: Final = "5d41402abc4b2a76b9719d911017c592"


def test_it_fits_the_schema_of_compose() -> None:
    path = ROOT / "deploy/compose.yaml"

    result = run_tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)

    assert result.returncode == 0, result.stdout


def test_it_passes_settings_that_exist_and_all_that_have_no_file() -> None:
    for name in OURS:
        assert set(SERVICES[name]["environment"]) <= settings_in_code()

    left_out = settings_in_code() - set(SERVICES["web"]["environment"])
    assert left_out == {"HOST", "PORT", "RULES_FILE", "DEVELOPMENT"}


def test_webhooks_and_console_have_a_process_each() -> None:
    assert {name: SERVICES[name]["environment"].get("SERVE") for name in OURS} == {
        "web": "webhooks",
        "console": "console",
        "worker": None,
        "backup": None,
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_is_read_only_and_without_privileges(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]


@pytest.mark.parametrize("name", ["caddy", "store"])
def test_foreign_images_are_named_by_their_digests(name: str) -> None:
    assert re.search(r"@sha256:[0-9a-f]{64}$", SERVICES[name]["image"])


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]
    assert SERVICES["store"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"]["internal"] is True


def test_the_proxy_is_believed() -> None:
    [network] = COMPOSE["networks"]["edge"]["ipam"]["config"]

    assert SERVICES["web"]["environment"]["TRUSTED_PROXIES"] == network["subnet"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """The store's socket, started by the command of the compose file with this machine's paths."""
    for name in ("data", "run", "secrets"):
        (tmp_path / name).mkdir()
    (tmp_path / "secrets/store_password").write_text(PASSWORD, encoding="utf-8")
    server, socket = server_executable(), tmp_path / "socket"
    [shell, option, script] = SERVICES["store"]["command"]
    replaced = {
        "/etc/valkey/redis.conf": str(ROOT / "deploy/redis.conf"),
        "/etc/valkey/repair-aof": str(ROOT / "deploy/repair-aof"),
        "/run/secrets": str(tmp_path / "secrets"),
        "/run/valkey": str(tmp_path / "run"),
        " /data": f" {tmp_path / 'data'}",
        "$$": "$",
        "exec valkey-server": f"exec {server}",
    }
    for old, new in replaced.items():
        assert old in script
        script = script.replace(old, new)
    script += f" --unixsocket {socket} --port 0"
    process = subprocess.Popen([shell, option, script], cwd=tmp_path / "data", stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        wait_for_address(socket)
        yield socket
    finally:
        process.kill()
        process.wait()


@pytest.mark.process
def test_the_store_asks_for_its_password_and_writes_before_it_answers(store: Path) -> None:
    with Redis(unix_socket_path=str(store), password=PASSWORD) as redis:
        assert redis.config_get("appendfsync") == {"appendfsync": "always"}
        assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    with Redis(unix_socket_path=str(store)) as anonymous, pytest.raises(AuthenticationError):
        anonymous.ping()


@pytest.mark.process
def test_its_password_is_in_no_list_of_processes_and_in_no_file_for_others(store: Path) -> None:
    commands = [
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)
    ]

    assert not [command for command in commands if PASSWORD.encode() in command]
    assert (store.parent / "run/valkey.conf").stat().st_mode & 0o077 == 0
