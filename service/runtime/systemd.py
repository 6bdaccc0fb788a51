"""What systemd is told of this process: that it is ready, that it stops, and that its event loop still turns.

Without systemd's variables nothing is sent. See sd_notify(3); the units are in deploy/systemd.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Final

MIN_INTERVAL_S: Final = 1.0


def notify_systemd(state: str) -> None:
    """Send a state, such as `READY=1`, if systemd waits for it. A failure to send is ignored, as sd_notify(3) advises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    path = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.sendto(state.encode(), path)
    except OSError:
        return


async def keep_watchdog() -> None:
    """Tell systemd twice in each watchdog interval that the event loop turns. Returns at once without a watchdog.

    A blocked event loop sends nothing, and systemd restarts the process.
    """
    interval_s = _watchdog_interval_s()
    while interval_s:
        notify_systemd("WATCHDOG=1")
        await asyncio.sleep(interval_s)


def _watchdog_interval_s() -> float:
    """Half of the watchdog's time, or 0 if there is none for this process."""
    microseconds, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (process and process != str(os.getpid())):
        return 0.0
    return max(int(microseconds) / 2_000_000, MIN_INTERVAL_S) if int(microseconds) else 0.0
