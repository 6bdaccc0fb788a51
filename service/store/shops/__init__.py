"""Shops: settings, sealed credentials, pauses, uninstalls and deletion.

Other rooms use `ShopRepository`."""

from service.store.shops import deletion, uninstall
from service.store.shops.model import DEFAULT_TIMEZONE, Dialect, Shop, validate
from service.store.shops.repository import TOKEN_REJECTED, ShopRepository
from service.store.shops.uninstall import UNINSTALLED

__all__ = [
    "DEFAULT_TIMEZONE",
    "TOKEN_REJECTED",
    "UNINSTALLED",
    "Dialect",
    "Shop",
    "ShopRepository",
    "deletion",
    "uninstall",
    "validate",
]
