"""Periodic jobs of a worker: sweep, housekeeping, pending jobs, nightly reconcile and uninstall checks.

The worker process runs each of them with `run_every`.
"""

from workers.periodic.haravan_jobs import HaravanJobs
from workers.periodic.housekeeping import Housekeeping
from workers.periodic.nightly import NightlyReconcile
from workers.periodic.pending_jobs import PendingJobs
from workers.periodic.scheduler import run_every
from workers.periodic.sweep import Sweep
from workers.periodic.uninstall import UninstallMonitor

__all__ = [
    "HaravanJobs",
    "Housekeeping",
    "NightlyReconcile",
    "PendingJobs",
    "Sweep",
    "UninstallMonitor",
    "run_every",
]
