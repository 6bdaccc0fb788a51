"""What every process needs: logging, background tasks, files, the check of addresses, and the messages to systemd.

It knows nothing of customers, shops or Redis."""

from service.runtime.addresses import address_problem
from service.runtime.files import read_text
from service.runtime.late_tasks import LateTasks
from service.runtime.log import LogFormat, configure_logging, last_frames, without_control_characters
from service.runtime.receivers import Networks, is_public, may_connect, parse_ip, receiver_problem
from service.runtime.systemd import keep_watchdog, notify_systemd
from service.runtime.tasks import BackgroundTasks, cancel_and_wait

__all__ = [
    "BackgroundTasks",
    "LateTasks",
    "LogFormat",
    "Networks",
    "address_problem",
    "cancel_and_wait",
    "configure_logging",
    "is_public",
    "keep_watchdog",
    "last_frames",
    "may_connect",
    "notify_systemd",
    "parse_ip",
    "read_text",
    "receiver_problem",
    "without_control_characters",
]
