"""Personal data: export or erase everything that is stored of a customer."""

from __future__ import annotations

from typing import Any, Final

from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId
from service.operations import erase_personal_data, export_personal_data
from service.web.ops.contract import CUSTOMER_PATH, Endpoint, Request, ResponseModel, to_model


class PersonalData(ResponseModel, frozen=True):
    """Everything that is stored of a customer, unmasked. `record` is null if the customer was never read."""

    org: str
    customer: int
    exported_at: str
    record: dict[str, Any] | None
    tags_we_own: dict[str, Any]
    holds: dict[str, Any]
    excluded_from: list[str]
    writes_under_way: dict[str, Any]
    to_restore: dict[str, Any]
    reverts: dict[str, Any]
    scheduled: str | None
    queued: bool
    manual_changes: list[dict[str, Any]]
    ledger: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    audit: list[dict[str, Any]]


class ErasureResponse(ResponseModel, frozen=True):
    """How much was erased. Delivery records that stay have the customer's id only, and expire by themselves."""

    customer: int
    known: bool
    ledger: int
    manual_changes: int
    deliveries: int
    remaining_deliveries: int


async def export_customer(context: Context, request: Request) -> PersonalData:
    """Export everything that is stored of a customer, unmasked, also of an id that Haravan no longer has.

    The audit log names who asked. What Haravan has is not part of it.
    """
    shop = await context.shops.describe(request.org)
    customer = CustomerId(request.path["customer"])
    return PersonalData(**await export_personal_data(context, shop, customer, by=request.by))


async def erase_customer(context: Context, request: Request) -> ErasureResponse:
    """Erase everything that is stored of a customer. It can be repeated; nothing changes in Haravan.

    While Haravan has the customer, the next webhook or scan stores it again: to stop that, delete it there first.
    """
    shop = await context.shops.describe(request.org)
    customer = CustomerId(request.path["customer"])
    return to_model(await erase_personal_data(context, shop, customer, by=request.by), ErasureResponse)


PERSONAL_DATA_EXAMPLE: Final[dict[str, Any]] = {
    "org": "1000114691",
    "customer": 1037889951,
    "exported_at": "2026-11-22T03:00:00+00:00",
    "record": {"id": 1037889951, "total_spent": 9660000, "tags": ["Khách sỉ"], "first_name": "An"},
    "tags_we_own": {},
    "holds": {},
    "excluded_from": ["vip"],
    "writes_under_way": {},
    "to_restore": {},
    "reverts": {},
    "scheduled": None,
    "queued": False,
    "manual_changes": [{"at": "2026-11-20T03:00:00+00:00", "change": "+Khách sỉ"}],
    "ledger": [],
    "dead_letters": [],
    "deliveries": [
        {"at": "2026-11-20T03:00:00+00:00", "topic": "orders/paid", "outcome": "marked", "bytes": 1204}
    ],
    "audit": [],
}

ENDPOINTS: Final = (
    Endpoint(
        "GET",
        f"{CUSTOMER_PATH}/personal-data",
        export_customer,
        PersonalData,
        PERSONAL_DATA_EXAMPLE,
        cpu_bound=True,
        role=Role.OPS,
    ),
    Endpoint(
        "DELETE",
        f"{CUSTOMER_PATH}/personal-data",
        erase_customer,
        ErasureResponse,
        {
            "customer": 1037889951,
            "known": True,
            "ledger": 4,
            "manual_changes": 1,
            "deliveries": 3,
            "remaining_deliveries": 2,
        },
        cpu_bound=True,
        role=Role.OPS,
    ),
)
