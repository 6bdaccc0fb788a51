"""Work that a worker does on a schedule, beside its drains: sweep, housekeeping, nightly reconcile, uninstall checks."""
