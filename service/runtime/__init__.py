"""What every process needs: logging, traces, errors to Sentry, background tasks, files, addresses, systemd.

It knows nothing of customers, shops or Redis."""

from service.runtime.addresses import address_problem
from service.runtime.files import program_version, read_text
from service.runtime.late_tasks import LateTasks
from service.runtime.log import LogFormat, configure_logging, last_frames, without_control_characters
from service.runtime.receivers import Networks, is_public, may_connect, parse_ip, receiver_problem
from service.runtime.systemd import keep_watchdog, notify_systemd
from service.runtime.tasks import BackgroundTasks, cancel_and_wait
from service.runtime.tracing import (
    Span,
    current_traceparent,
    is_tracing,
    span,
    telemetry,
    use_provider,
)

__all__ = [
    "BackgroundTasks",
    "LateTasks",
    "LogFormat",
    "Networks",
    "Span",
    "address_problem",
    "cancel_and_wait",
    "configure_logging",
    "current_traceparent",
    "is_public",
    "is_tracing",
    "keep_watchdog",
    "last_frames",
    "may_connect",
    "notify_systemd",
    "parse_ip",
    "program_version",
    "read_text",
    "receiver_problem",
    "span",
    "telemetry",
    "use_provider",
    "without_control_characters",
]
