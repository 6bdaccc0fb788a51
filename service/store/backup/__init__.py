"""What a backup has of a shop and of the service: read in parts while everything runs, and put back in one step.

The keys that a backup has are listed in `parts`. Everything else comes back when customers are read again."""

from service.store.backup import status
from service.store.backup.parts import NOT_IN_BACKUP, SERVICE_KEYS, SHOP_KEYS, Kind, Part
from service.store.backup.reading import (
    count_customers,
    customers_with_state,
    has_data,
    has_entries,
    read_service,
    read_shop,
)
from service.store.backup.staging import Staging, restored_job
from service.store.backup.status import BackupStatus

__all__ = [
    "NOT_IN_BACKUP",
    "SERVICE_KEYS",
    "SHOP_KEYS",
    "BackupStatus",
    "Kind",
    "Part",
    "Staging",
    "count_customers",
    "customers_with_state",
    "has_data",
    "has_entries",
    "read_service",
    "read_shop",
    "restored_job",
    "status",
]
