"""Users of the pages: list, add, change, remove, and one-time links to sign in with."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import NAME_PATTERN, Role, User, UserSecret
from service.domain.customers import OrgId, mask_email
from service.operations import access
from service.web.ops.access.tokens import MAX_SHOPS, Org
from service.web.ops.contract import (
    Endpoint,
    PageModel,
    PageQuery,
    Request,
    RequestModel,
    ResponseModel,
    cut_page,
)

Orgs = Annotated[list[Org], Meta(min_length=1, max_length=MAX_SHOPS)]


class AddUserRequest(RequestModel, frozen=True):
    """A user to add. Without `shops` the user is for every shop."""

    name: Annotated[str, Meta(pattern=f"^{NAME_PATTERN}$", description="Shown in the audit log")]
    email: Annotated[str, Meta(min_length=3, max_length=200)]
    role: Role
    shops: Orgs | UnsetType = UNSET


class ChangeUserRequest(RequestModel, frozen=True):
    """The new role and shops. Without `shops` the user is for every shop."""

    role: Role
    shops: Orgs | UnsetType = UNSET


class UserModel(ResponseModel, frozen=True):
    """A user. `shops` null: every shop. The e-mail address is masked."""

    name: str
    email: str
    role: Role
    shops: list[str] | None
    has_password: bool
    created_ms: int
    created_by: str


class UserList(PageModel, frozen=True):
    """The users by name."""

    users: list[UserModel]


class SignInLink(ResponseModel, frozen=True):
    """A link to sign in with, below the address of the pages. It works once, within 24 hours, and is not shown again."""

    name: str
    path: str


class RemovedUser(ResponseModel, frozen=True):
    """The name of the removed user."""

    name: str


async def list_all_users(context: Context, request: Request) -> UserList:
    """The users of the pages with their roles and shops."""
    users = sorted(await access.list_users(context), key=_name)
    page, following = cut_page(users, request.model, position=_name, kind=str)
    return UserList([_to_model(user) for user in page], next=following)


async def add_page_user(context: Context, request: Request) -> SignInLink:
    """Add a user. The answer has a link, with which the user signs in and chooses a password."""
    body: AddUserRequest = request.model
    shops = _shops(body.shops)
    return _link(await access.add_user(context, body.name, body.email, body.role, shops=shops, by=request.by))


async def change_page_user(context: Context, request: Request) -> UserModel:
    """Change the role and the shops of a user, from the next request on."""
    body: ChangeUserRequest = request.model
    name = str(request.path["user"])
    return _to_model(
        await access.change_user(context, name, body.role, shops=_shops(body.shops), by=request.by)
    )


async def remove_page_user(context: Context, request: Request) -> RemovedUser:
    """Remove a user, and end all sessions of this user."""
    name = str(request.path["user"])
    await access.remove_user(context, name, by=request.by)
    return RemovedUser(name)


async def create_sign_in_link(context: Context, request: Request) -> SignInLink:
    """Make a new link for a user who forgot the password. An earlier link stops working."""
    return _link(await access.create_link(context, str(request.path["user"]), by=request.by))


def _shops(given: list[str] | UnsetType) -> frozenset[OrgId] | None:
    return None if given is UNSET else frozenset(map(OrgId, given))


def _link(secret: UserSecret) -> SignInLink:
    return SignInLink(secret.name, secret.link_path)


def _name(user: User) -> str:
    return user.name


def _to_model(user: User) -> UserModel:
    return UserModel(
        name=user.name,
        email=mask_email(user.email),
        role=user.role,
        shops=None if user.shops is None else [*user.shops],
        has_password=bool(user.password),
        created_ms=user.created_ms,
        created_by=user.created_by,
    )


USER_EXAMPLE: Final[dict[str, Any]] = {
    "name": "lan",
    "email": "l•••@example.com",
    "role": "marketer",
    "shops": ["1000000001"],
    "has_password": True,
    "created_ms": 1795150800000,
    "created_by": "an",
}
LINK_EXAMPLE: Final[dict[str, Any]] = {"name": "lan", "path": "/sign-in?key=lan_" + "0f" * 32}
USERS: Final = "/ops/v1/users"
ONE: Final = USERS + "/{user}"
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        USERS,
        list_all_users,
        UserList,
        {"users": [USER_EXAMPLE], "next": None},
        PageQuery,
        role=Role.OWNER,
        every_shop=True,
    ),
    Endpoint(
        "POST",
        USERS,
        add_page_user,
        SignInLink,
        LINK_EXAMPLE,
        AddUserRequest,
        {
            "a marketer": {
                "name": "lan",
                "email": "lan@example.com",
                "role": "marketer",
                "shops": ["1000000001"],
            }
        },
        role=Role.OWNER,
        every_shop=True,
    ),
    Endpoint(
        "PUT",
        ONE,
        change_page_user,
        UserModel,
        USER_EXAMPLE | {"role": "ops", "shops": None},
        ChangeUserRequest,
        {"every shop": {"role": "ops"}},
        role=Role.OWNER,
        every_shop=True,
    ),
    Endpoint(
        "DELETE",
        ONE,
        remove_page_user,
        RemovedUser,
        {"name": "lan"},
        role=Role.OWNER,
        every_shop=True,
    ),
    Endpoint(
        "POST",
        f"{ONE}/link",
        create_sign_in_link,
        SignInLink,
        LINK_EXAMPLE,
        role=Role.OWNER,
        every_shop=True,
    ),
)
