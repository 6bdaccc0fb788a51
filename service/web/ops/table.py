"""Every operation of the ops API in one table: its routes and its OpenAPI document are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from service.web.ops.models import (
    Answer,
    Asked,
    DeadLetterList,
    DeliveriesQuery,
    DeliveryList,
    ExplainedCustomer,
    ExplainQuery,
    Pausing,
    Replayed,
    Replaying,
    Retried,
    Retrying,
    RunLine,
    RunList,
    ShopList,
    ShopStatus,
    TimeQuery,
)
from service.web.ops.operations import Call, Operations

Method = Literal["GET", "POST", "DELETE"]
Handler = Callable[[Operations, Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: what is asked with `asked` (a GET's query, a POST's body) is answered with `answer`."""

    method: Method
    path: str
    handler: Handler
    answer: type[Answer]
    asked: type[Asked] | None = None


SHOP: Final = "/ops/v1/shops/{org}"
TABLE: Final = (
    Operation("GET", "/ops/v1/shops", Operations.list_shops, ShopList),
    Operation("GET", SHOP, Operations.shop_status, ShopStatus),
    Operation("POST", f"{SHOP}/pause", Operations.pause, ShopStatus, Pausing),
    Operation("POST", f"{SHOP}/resume", Operations.resume, ShopStatus),
    Operation("GET", f"{SHOP}/deliveries", Operations.list_deliveries, DeliveryList, DeliveriesQuery),
    Operation("GET", f"{SHOP}/dead-letters", Operations.list_dead_letters, DeadLetterList),
    Operation("POST", f"{SHOP}/dead-letters/retry", Operations.retry_dead_letters, Retried, Retrying),
    Operation("DELETE", f"{SHOP}/dead-letters/{{customer}}", Operations.drop_dead_letter, Retried),
    Operation(
        "GET", f"{SHOP}/customers/{{customer}}", Operations.explain_customer, ExplainedCustomer, ExplainQuery
    ),
    Operation("POST", f"{SHOP}/replays", Operations.start_replay, Replayed, Replaying),
    Operation("GET", f"{SHOP}/replays", Operations.list_replays, RunList),
    Operation("GET", f"{SHOP}/replays/{{run}}", Operations.replay_status, RunLine),
    Operation("GET", "/ops/v1/strangers/deliveries", Operations.list_strangers, DeliveryList, TimeQuery),
)
