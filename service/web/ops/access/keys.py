"""SECRET_KEY: which of its keys wrap data keys, and their rotation. A key is named by its fingerprint, never shown."""

from __future__ import annotations

from typing import Any, Final

from service.context import Context
from service.domain.access import Role
from service.operations import rotate_keys
from service.store.encryption import KeyStatus, key_status
from service.web.ops.contract import Endpoint, Request, RequestModel, ResponseModel, to_model


class RotateKeysRequest(RequestModel, frozen=True):
    """`delete_unreadable` also deletes data keys that no key of SECRET_KEY opens: what they sealed is lost for good."""

    delete_unreadable: bool = False


class KeyUseModel(ResponseModel, frozen=True):
    """A key by its fingerprint. `position` counts from 1 in SECRET_KEY; 0: it is not in SECRET_KEY."""

    fingerprint: str
    position: int
    data_keys: int
    shops: list[str]


class KeyStatusModel(ResponseModel, frozen=True):
    """The keys in use. `left`: data keys that the first key does not wrap; `unreadable`: shops with one that no key opens."""

    keys: list[KeyUseModel]
    left: int
    unreadable: list[str]


async def show_keys(context: Context, _: Request) -> KeyStatusModel:
    """Which key of SECRET_KEY wraps how many data keys."""
    return _to_model(await key_status(context.redis, context.shops.keyring))


async def rotate_all_keys(context: Context, request: Request) -> KeyStatusModel:
    """Wrap the data keys of all shops with the first key of SECRET_KEY, while web and workers run.

    It can be repeated. Refused with 409 without SECRET_KEY.
    """
    body: RotateKeysRequest = request.model
    return _to_model(await rotate_keys(context, by=request.by, delete_unreadable=body.delete_unreadable))


def _to_model(status: KeyStatus) -> KeyStatusModel:
    return to_model(status, KeyStatusModel)


KEYS_EXAMPLE: Final[dict[str, Any]] = {
    "keys": [{"fingerprint": "5f2c1d7b", "position": 1, "data_keys": 2, "shops": ["1000000001"]}],
    "left": 0,
    "unreadable": [],
}
KEYS: Final = "/ops/v1/keys"
ENDPOINTS: Final = (
    Endpoint("GET", KEYS, show_keys, KeyStatusModel, KEYS_EXAMPLE, role=Role.OWNER, every_shop=True),
    Endpoint(
        "POST",
        f"{KEYS}/rotate",
        rotate_all_keys,
        KeyStatusModel,
        KEYS_EXAMPLE,
        RotateKeysRequest,
        {"rotate": {}},
        role=Role.OWNER,
        every_shop=True,
    ),
)
