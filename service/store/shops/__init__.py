"""Shops: settings, sealed credentials, pauses, freezes, uninstalls and deletion.

Other rooms use `ShopRepository`."""

from service.store.shops import deletion, subscription, token_checks, uninstall
from service.store.shops.first_look import (
    FIRST_LOOK_KEY,
    FirstLook,
    decode_first_look,
    queue_first_look,
    save_first_look,
)
from service.store.shops.freeze import (
    FREEZE_KEY,
    Freeze,
    FreezeState,
    decode_freeze,
    encode_freeze,
    make_freeze,
    queue_freeze,
)
from service.store.shops.model import DEFAULT_TIMEZONE, Dialect, Shop, dialect_of, exists_already, validate
from service.store.shops.repository import MASS_404, TOKEN_REJECTED, ShopRepository, WebhookCredentials
from service.store.shops.subscription import SubscribedTopic, SubscriptionAction, SubscriptionState
from service.store.shops.token_checks import TOKEN_CHECK_JOB, TokenAnswer
from service.store.shops.uninstall import UNINSTALLED

__all__ = [
    "DEFAULT_TIMEZONE",
    "FIRST_LOOK_KEY",
    "FREEZE_KEY",
    "MASS_404",
    "TOKEN_CHECK_JOB",
    "TOKEN_REJECTED",
    "UNINSTALLED",
    "Dialect",
    "FirstLook",
    "Freeze",
    "FreezeState",
    "Shop",
    "ShopRepository",
    "SubscribedTopic",
    "SubscriptionAction",
    "SubscriptionState",
    "TokenAnswer",
    "WebhookCredentials",
    "decode_first_look",
    "decode_freeze",
    "deletion",
    "dialect_of",
    "encode_freeze",
    "exists_already",
    "make_freeze",
    "queue_first_look",
    "queue_freeze",
    "save_first_look",
    "subscription",
    "token_checks",
    "uninstall",
    "validate",
]
