"""Failed sign-ins slow an address and an account, and nobody else."""

from __future__ import annotations

from service.alerts import Alerts
from service.store.client import RedisClient
from service.web.authentication.failures import MAX_FAILURES, FailureLimiter
from service.web.authentication.sign_ins import SignInLimiter


async def test_an_address_and_an_account_wait_each_for_itself(redis: RedisClient) -> None:
    sent: list[str] = []

    async def send(_: str, text: str) -> bool:
        sent.append(text)
        return True

    alerts = Alerts(redis, send=send)
    limiter = SignInLimiter(alerts, make=lambda: FailureLimiter(lambda: 1000.0))
    for number in range(MAX_FAILURES):
        limiter.add_failure(f"192.0.2.{number}", "lan@example.com")
        limiter.add_failure("203.0.113.7", f"user{number}@example.com")

    assert limiter.retry_after_s("198.51.100.1", "lan@example.com") == 60
    assert limiter.retry_after_s("203.0.113.7", "an@example.com") == 60
    assert limiter.retry_after_s("198.51.100.1", "an@example.com") == 0
    await alerts.drain()
    assert len(sent) == 1
    assert "@" not in sent[0]
