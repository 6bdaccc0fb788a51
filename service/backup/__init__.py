"""Backups: write one while the service runs, verify it, and restore from it what is missing.

The format of the file is in `deploy/docs/backup.md`. The command line calls these functions, and a worker has the customers
of a restored shop read again."""

from service.backup.encryption import MIN_KEY, MIN_PASSPHRASE, KeySource, Secret, read_source
from service.backup.file import Contents, Section, verify
from service.backup.restore import SectionPlan, execute_restored, plan_restore, restore
from service.backup.write import write_backup

__all__ = [
    "MIN_KEY",
    "MIN_PASSPHRASE",
    "Contents",
    "KeySource",
    "Secret",
    "Section",
    "SectionPlan",
    "execute_restored",
    "plan_restore",
    "read_source",
    "restore",
    "verify",
    "write_backup",
]
