"""The webhook subscription of a shop at Haravan: what is known of it; a worker asks or changes it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from service.context import Context
from service.domain.access import Role
from service.operations import load_subscription, request_subscription
from service.store.shops import SubscriptionAction, SubscriptionState
from service.web.ops.contract import SHOP_PATH, Endpoint, Request, ResponseModel, to_model


class TopicModel(ResponseModel, frozen=True):
    """One topic that Haravan delivers to an address. Both are set in the partner dashboard of the app."""

    topic: str
    url: str


class SubscriptionModel(ResponseModel, frozen=True):
    """What Haravan said at `checked_ms`. `failure`: why the last request failed, "" if it did not."""

    topics: Annotated[
        list[TopicModel] | None,
        Meta(description="null: Haravan was never asked; empty: it sends no webhooks of this shop"),
    ]
    checked_ms: int
    action: Annotated[
        Literal["check", "subscribe", "unsubscribe"] | None,
        Meta(description="What a worker is about to do; null: nothing, and the rest is its result"),
    ]
    requested_ms: int
    requested_by: str
    failure: str


async def show_subscription(context: Context, request: Request) -> SubscriptionModel:
    """What is known of the subscription."""
    await context.shops.get_or_raise(request.org)
    return _to_model(await load_subscription(context, request.org))


async def check_subscription(context: Context, request: Request) -> SubscriptionModel:
    """Ask Haravan again. A worker does it within seconds: read the subscription until `action` is null."""
    return await _request(context, request, "check")


async def subscribe_shop(context: Context, request: Request) -> SubscriptionModel:
    """Subscribe the shop, also again. A worker does it within seconds: read the subscription until `action` is null.

    Topics and address are set in the partner dashboard of the app.
    """
    return await _request(context, request, "subscribe")


async def unsubscribe_shop(context: Context, request: Request) -> SubscriptionModel:
    """Unsubscribe the shop. Haravan then sends no webhooks."""
    return await _request(context, request, "unsubscribe")


async def _request(context: Context, request: Request, action: SubscriptionAction) -> SubscriptionModel:
    await context.shops.get_or_raise(request.org)
    return _to_model(await request_subscription(context, request.org, action, by=request.by))


def _to_model(state: SubscriptionState) -> SubscriptionModel:
    return to_model(state, SubscriptionModel)


SUBSCRIPTION_EXAMPLE: Final[dict[str, Any]] = {
    "topics": [{"topic": "customers/update", "url": "https://tagger.example.com/webhooks/haravan"}],
    "checked_ms": 1795150800000,
    "action": None,
    "requested_ms": 1795150799000,
    "requested_by": "an",
    "failure": "",
}
REQUESTED_EXAMPLE: Final = SUBSCRIPTION_EXAMPLE | {"action": "subscribe"}
PATH: Final = f"{SHOP_PATH}/subscription"
ENDPOINTS: Final = (
    Endpoint("GET", PATH, show_subscription, SubscriptionModel, SUBSCRIPTION_EXAMPLE, role=Role.VIEWER),
    Endpoint(
        "POST",
        f"{PATH}/check",
        check_subscription,
        SubscriptionModel,
        SUBSCRIPTION_EXAMPLE | {"action": "check"},
        role=Role.OPS,
        is_read_only=True,
    ),
    Endpoint("POST", PATH, subscribe_shop, SubscriptionModel, REQUESTED_EXAMPLE, role=Role.OPS),
    Endpoint(
        "DELETE",
        PATH,
        unsubscribe_shop,
        SubscriptionModel,
        SUBSCRIPTION_EXAMPLE | {"action": "unsubscribe"},
        role=Role.OPS,
    ),
)
