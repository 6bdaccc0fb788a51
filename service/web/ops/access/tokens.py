"""Tokens of the ops API: list, create, revoke."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import NAME_PATTERN, Role, Token
from service.domain.customers import OrgId
from service.operations import add_token, list_tokens, revoke_token
from service.store.access import TokenUse
from service.web.ops.contract import (
    Endpoint,
    Moment,
    PageModel,
    PageQuery,
    Request,
    RequestModel,
    ResponseModel,
    cut_page,
    to_ms,
)

Org = Annotated[str, Meta(pattern="^[0-9]{1,19}$")]
MAX_SHOPS: Final = 1000


class CreateTokenRequest(RequestModel, frozen=True):
    """A token to create. Without `shops` it is for every shop, without `expires` it does not expire."""

    name: Annotated[str, Meta(pattern=f"^{NAME_PATTERN}$", description="Shown in the audit log")]
    role: Role
    shops: Annotated[list[Org], Meta(min_length=1, max_length=MAX_SHOPS)] | UnsetType = UNSET
    expires: Moment | UnsetType = UNSET


class TokenModel(ResponseModel, frozen=True):
    """A token without its secret. `shops` null: every shop. `used_ms` is exact to a minute."""

    name: str
    role: Role
    shops: list[str] | None
    expires_ms: int | None
    created_ms: int
    created_by: str
    used_ms: int | None


class TokenList(PageModel, frozen=True):
    """Every stored token by name, also those that have expired. Those of OPS_TOKENS are in the environment only."""

    tokens: list[TokenModel]


class CreatedToken(ResponseModel, frozen=True):
    """The new token. `secret` is what its owner sends as a bearer token; it is not stored and never shown again."""

    token: TokenModel
    secret: str


class RevokedToken(ResponseModel, frozen=True):
    """The name of the revoked token."""

    name: str


async def list_all_tokens(context: Context, request: Request) -> TokenList:
    """The tokens of the API with their roles, shops and last use."""
    uses = sorted(await list_tokens(context), key=_name)
    page, following = cut_page(uses, request.model, position=_name, kind=str)
    return TokenList([_to_model(use.token, use.used_ms) for use in page], next=following)


async def create_token(context: Context, request: Request) -> CreatedToken:
    """Create a token with a role. The answer is the only place where its secret is shown."""
    body: CreateTokenRequest = request.model
    created = await add_token(
        context,
        body.name,
        body.role,
        shops=None if body.shops is UNSET else frozenset(map(OrgId, body.shops)),
        expires_ms=to_ms(body.expires) or 0,
        by=request.by,
    )
    return CreatedToken(_to_model(created.stored, 0), created.secret)


async def delete_token(context: Context, request: Request) -> RevokedToken:
    """Revoke a token: its next request is answered 401."""
    name = request.path["token"]
    await revoke_token(context, name, by=request.by)
    return RevokedToken(name)


def _name(use: TokenUse) -> str:
    return use.token.name


def _to_model(token: Token, used_ms: int) -> TokenModel:
    return TokenModel(
        name=token.name,
        role=token.role,
        shops=None if token.shops is None else [*token.shops],
        expires_ms=token.expires_ms or None,
        created_ms=token.created_ms,
        created_by=token.created_by,
        used_ms=used_ms or None,
    )


TOKEN_EXAMPLE: Final[dict[str, Any]] = {
    "name": "bao-cao",
    "role": "viewer",
    "shops": ["1000000001"],
    "expires_ms": 1826686800000,
    "created_ms": 1795150800000,
    "created_by": "an",
    "used_ms": None,
}
TOKENS: Final = "/ops/v1/tokens"
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        TOKENS,
        list_all_tokens,
        TokenList,
        {"tokens": [TOKEN_EXAMPLE | {"used_ms": 1795151100000}], "next": None},
        PageQuery,
        role=Role.OWNER,
        every_shop=True,
    ),
    Endpoint(
        "POST",
        TOKENS,
        create_token,
        CreatedToken,
        {"token": TOKEN_EXAMPLE, "secret": "tagger_bao-cao_" + "0f" * 32},
        CreateTokenRequest,
        {
            "for one shop": {
                "name": "bao-cao",
                "role": "viewer",
                "shops": ["1000000001"],
                "expires": "2027-11-20T00:00:00+07:00",
            },
            "for every shop": {"name": "truc-ca", "role": "ops"},
        },
        role=Role.OWNER,
        every_shop=True,
    ),
    Endpoint(
        "DELETE",
        f"{TOKENS}/{{token}}",
        delete_token,
        RevokedToken,
        {"name": "bao-cao"},
        role=Role.OWNER,
        every_shop=True,
    ),
)
