"""Background loops of a worker: sweep, housekeeping, pending jobs, nightly reconcile, uninstall checks.

The worker process starts them with the scheduler."""

from workers.periodic.housekeeping import Housekeeping
from workers.periodic.nightly import NightlyReconcile
from workers.periodic.pending_jobs import PendingJobs
from workers.periodic.scheduler import run_every
from workers.periodic.sweep import Sweep
from workers.periodic.uninstall import UninstallMonitor

__all__ = ["Housekeeping", "NightlyReconcile", "PendingJobs", "Sweep", "UninstallMonitor", "run_every"]
