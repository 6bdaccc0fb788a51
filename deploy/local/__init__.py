"""Processes and files on this machine: the bundled Redis server, the service's processes, folders, the terminal.

It knows nothing of the service except its error types. Nothing slow is imported here, so that commands start quickly.
"""

from __future__ import annotations

from deploy.local.paths import demo_folder, local_redis_url, local_secret_key, project_folder, secret_key_file
from deploy.local.supervisor import ProcessExit, Supervisor, stop_signals, supervise
from deploy.local.terminal import console, error_console, visible
from deploy.local.up import run_all, service_processes
from deploy.local.valkey import start_server, wait_until_ready
from deploy.local.wait import until

__all__ = [
    "ProcessExit",
    "Supervisor",
    "console",
    "demo_folder",
    "error_console",
    "local_redis_url",
    "local_secret_key",
    "project_folder",
    "run_all",
    "secret_key_file",
    "service_processes",
    "start_server",
    "stop_signals",
    "supervise",
    "until",
    "visible",
    "wait_until_ready",
]
