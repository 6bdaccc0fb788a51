"""Endpoints of a shop's events: add, change, rotate the secret, replay. Each change is recorded in the audit log."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import OrgId
from service.domain.events import (
    EVENT_TYPES,
    SECRET_BYTES,
    Endpoint,
    EndpointState,
    EventType,
    SealedSecret,
    new_secret,
    rotated,
)
from service.errors import Refused
from service.runtime import receiver_problem
from service.sentence import Sentence
from service.store.events import endpoints, outbox
from service.store.history import audit_log
from service.store.shops import Shop


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with a new secret, which is shown once."""

    endpoint: Endpoint
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """An endpoint, how far it is, and how many events it rejected. `is_behind`: events wait for it."""

    endpoint: Endpoint
    state: EndpointState
    rejected: int
    is_behind: bool


def to_plain(status: EndpointStatus) -> dict[str, object]:
    """An endpoint for scripts, without its secrets."""
    endpoint, state = status.endpoint, status.state
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "disabled": endpoint.disabled,
        "by": endpoint.by,
        "created_ms": endpoint.created_ms,
        "is_behind": status.is_behind,
        "attempts": state.attempts,
        "due_ms": state.due_ms or None,
        "delivered": state.delivered,
        "rejected": status.rejected,
        "succeeded_ms": state.succeeded_ms or None,
        "failed_ms": state.failed_ms or None,
        "failure": state.failure,
    }


async def list_endpoints(context: Context, org: OrgId) -> list[EndpointStatus]:
    """Every endpoint of a shop."""
    newest = await outbox.newest_ids(context.redis, org)
    return [
        EndpointStatus(
            endpoint,
            state,
            await endpoints.count_dead(context.redis, org, endpoint.id),
            outbox.is_behind(state, newest),
        )
        for endpoint, state in await endpoints.list_all(context.redis, org)
    ]


async def add_endpoint(
    context: Context, shop: Shop, url: str, *, events: Sequence[EventType] = EVENT_TYPES, by: Actor
) -> NewSecret:
    """Add an endpoint, which gets the events from now on. Raises Refused if the address may not be called."""
    _check(context, url, events)
    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    endpoint_id = await endpoints.next_id(context.redis, shop.org)
    endpoint = Endpoint(
        id=endpoint_id,
        url=url,
        events=tuple(dict.fromkeys(events)),
        secrets=(SealedSecret(_seal(shop, endpoint_id, secret)),),
        by=by.name,
        created_ms=await context.now_ms(),
    )
    newest = await outbox.newest_ids(context.redis, shop.org)
    state = EndpointState(ledger=newest["ledger"], notices=newest["notices"])
    async with _recorded(context, shop.org, by, "add_endpoint", endpoint_id):
        await endpoints.add(context.redis, shop.org, endpoint, state)
    return NewSecret(endpoint, secret)


async def change_endpoint(
    context: Context,
    org: OrgId,
    endpoint_id: str,
    *,
    url: str | None = None,
    events: Sequence[EventType] | None = None,
    disabled: bool | None = None,
    by: Actor,
) -> None:
    """Change what is given of an endpoint. It is due at once, and goes on where it stopped. Raises NotFound, Refused."""
    before, _ = await endpoints.get(context.redis, org, endpoint_id)
    _check(context, before.url if url is None else url, before.events if events is None else events)
    changes: dict[str, Any] = {}
    if url is not None:
        changes["url"] = url
    if events is not None:
        changes["events"] = tuple(dict.fromkeys(events))
    if disabled is not None:
        changes["disabled"] = "by_hand" if disabled else ""
    action = "change_endpoint" if disabled is None else "disable_endpoint" if disabled else "enable_endpoint"
    async with _recorded(context, org, by, action, endpoint_id):
        await endpoints.change(
            context.redis,
            org,
            endpoint_id,
            lambda stored, state: (msgspec.structs.replace(stored, **changes), _due_now(state)),
        )


async def rotate_secret(context: Context, shop: Shop, endpoint_id: str, *, by: Actor) -> NewSecret:
    """Give an endpoint a new secret. For a day each request is signed with the former one as well. Raises NotFound."""
    secret, now_ms = new_secret(secrets.token_bytes(SECRET_BYTES)), await context.now_ms()
    sealed = _seal(shop, endpoint_id, secret)
    await endpoints.get(context.redis, shop.org, endpoint_id)
    async with _recorded(context, shop.org, by, "rotate_endpoint_secret", endpoint_id):
        await endpoints.change(
            context.redis,
            shop.org,
            endpoint_id,
            lambda stored, state: (rotated(stored, sealed, now_ms=now_ms), state),
        )
    changed, _ = await endpoints.get(context.redis, shop.org, endpoint_id)
    return NewSecret(changed, secret)


async def remove_endpoint(context: Context, org: OrgId, endpoint_id: str, *, by: Actor) -> None:
    """Remove an endpoint. What it did not get is not sent. Raises NotFound."""
    await endpoints.get(context.redis, org, endpoint_id)
    async with _recorded(context, org, by, "remove_endpoint", endpoint_id):
        await endpoints.remove(context.redis, org, endpoint_id)


async def replay_events(context: Context, org: OrgId, endpoint_id: str, *, since_ms: int, by: Actor) -> None:
    """Send the events since this time again, in their order, as far as the ledger has them. Raises NotFound."""
    await endpoints.get(context.redis, org, endpoint_id)
    async with _recorded(context, org, by, "replay_events", endpoint_id):
        await endpoints.change(
            context.redis,
            org,
            endpoint_id,
            lambda stored, state: (
                stored,
                _due_now(
                    msgspec.structs.replace(
                        state, ledger=outbox.before(since_ms), notices=outbox.before(since_ms)
                    )
                ),
            ),
        )


async def retry_rejected(context: Context, org: OrgId, endpoint_id: str, *, by: Actor) -> int:
    """Send the events that the endpoint rejected once more, before all others. Returns how many. Raises NotFound."""
    await endpoints.get(context.redis, org, endpoint_id)
    async with _recorded(context, org, by, "retry_events", endpoint_id):
        return await endpoints.retry_dead(context.redis, org, endpoint_id)


def open_secrets(shop: Shop, endpoint_id: str, sealed: Sequence[SealedSecret]) -> list[str]:
    """The texts of secrets. Raises MalformedData."""
    return [shop.cipher.open(each.sealed, field=_field(endpoint_id)).decode() for each in sealed]


def _seal(shop: Shop, endpoint_id: str, secret: str) -> bytes:
    return shop.cipher.seal(secret.encode(), field=_field(endpoint_id))


def _field(endpoint_id: str) -> str:
    return f"endpoints/{endpoint_id}"


def _check(context: Context, url: str, events: Sequence[EventType]) -> None:
    if problem := receiver_problem(url, allowed=context.settings.event_networks):
        raise Refused(Sentence("no events can be sent to this address: {why}", why=problem))
    if not events:
        raise Refused(Sentence("name at least one type of events: {types}", types=", ".join(EVENT_TYPES)))


def _due_now(state: EndpointState) -> EndpointState:
    return msgspec.structs.replace(state, attempts=0, due_ms=0)


def _recorded(
    context: Context, org: OrgId, by: Actor, action: str, endpoint_id: str
) -> AbstractAsyncContextManager[None]:
    """The entry has no address: it may have a secret of the receiver."""
    return audit_log.recorded(
        context.redis, by, action, org=org, summary=Sentence("endpoint {endpoint}", endpoint=endpoint_id)
    )
