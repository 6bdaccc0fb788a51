"""Failed sign-ins of the pages: counted for each address and for each account.

Guessing from one address is slowed by the address, guessing from many by the account. Somebody who guesses at an account also
keeps its owner from signing in for the rest of the minute; a one-time link still works.
"""

from __future__ import annotations

from collections.abc import Callable

from service.alerts import Alerts
from service.web.authentication.failures import FailureLimiter


class SignInLimiter:
    """Says how long to wait, before a password is looked at."""

    def __init__(self, alerts: Alerts, *, make: Callable[[], FailureLimiter] = FailureLimiter) -> None:
        self._alerts = alerts
        self._clients = make()
        self._accounts = make()

    def retry_after_s(self, client: str, account: str = "") -> int:
        """Whole seconds until this address may try this account again; 0: now."""
        return max(self._clients.retry_after_s(client), self._accounts.retry_after_s(account))

    def add_failure(self, client: str, account: str = "") -> None:
        """Count a failure. The one after which somebody has to wait is reported."""
        of_client = self._clients.add_failure(client)
        of_account = bool(account) and self._accounts.add_failure(account)
        if of_client or of_account:
            self._alerts.raise_alert(
                "sign_in_failures",
                f"many sign-ins to the pages have a wrong password, the latest from {client}. Further ones wait for a "
                "minute. If it is none of your users, block the address at the proxy",
            )
