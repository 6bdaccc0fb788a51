"""Checks of an access token: it must be valid, belong to the shop, and have the scopes that the service needs.

The command line asks Haravan itself. A request handler cannot reach Haravan, so it asks a worker. Both judge the answer
here, and store nothing before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from service.context import Context
from service.errors import TokenRefused, TokenUnchecked
from service.sentence import Sentence
from service.store.jobs import last_heartbeat_ms
from service.store.shops import Shop, TokenAnswer, token_checks

AskAboutToken = Callable[[Shop], Awaitable[TokenAnswer]]
ANSWER_TIMEOUT_S: Final = 20.0  # three calls of the API take a second; many clients give up after 30
POLL_S: Final = 0.05
MAX_WORKER_AGE_MS: Final = 60_000  # since the last heartbeat of any worker
NOTHING_STORED: Final = Sentence("nothing was stored")
NO_WORKER: Final = Sentence("no worker runs that could ask Haravan")
NO_ANSWER: Final = Sentence("no worker has answered in time")


def ask_worker(context: Context) -> AskAboutToken:
    """Asks Haravan through a worker. Raises TokenUnchecked if no worker runs, or if none answers in time."""

    async def ask(shop: Shop) -> TokenAnswer:
        beat_ms = await last_heartbeat_ms(context.redis)
        if beat_ms is None or await context.now_ms() - beat_ms > MAX_WORKER_AGE_MS:
            raise _unchecked(NO_WORKER)
        check = await token_checks.ask(context.redis, context.shops.keyring, shop)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                while True:
                    answer = await token_checks.load_answer(context.redis, shop.org, check)
                    if answer is not None:
                        return answer
                    await asyncio.sleep(POLL_S)
        except TimeoutError as exc:
            raise _unchecked(NO_ANSWER) from exc
        finally:
            await token_checks.forget(context.redis, shop.org, check)

    return ask


async def check_token(ask: AskAboutToken | None, shop: Shop, *, otherwise: Sentence = NOTHING_STORED) -> None:
    """Check the token of a shop, which need not be stored. Without `ask` it is not checked.

    Raises TokenUnchecked if Haravan does not answer, or TokenRefused with a message that ends with `otherwise`.
    """
    if ask is None:
        return
    answer = await ask(shop)
    if answer.unanswered:
        raise _unchecked(answer.unanswered)
    if answer.rejected:
        raise TokenRefused(
            Sentence(
                "Haravan rejects the token: {why}; {otherwise}", why=answer.rejected, otherwise=otherwise
            )
        )
    if answer.owner not in ("", shop.org):
        raise TokenRefused(
            Sentence(
                "this token belongs to shop {owner}, not {org}; {otherwise}",
                owner=answer.owner,
                org=shop.org,
                otherwise=otherwise,
            )
        )
    if answer.missing_scopes:
        raise TokenRefused(Sentence.join([_lacks_scopes(answer.missing_scopes), otherwise]))


def _unchecked(why: str | Sentence) -> TokenUnchecked:
    return TokenUnchecked(Sentence("the token could not be checked: {why}", why=why))


def _lacks_scopes(scopes: tuple[str, ...]) -> Sentence:
    return Sentence(
        "the token lacks the scope {scopes}: add it to the app, install the app again, and use the new token",
        scopes=", ".join(scopes),
    )
