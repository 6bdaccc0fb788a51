"""Signatures after Standard Webhooks."""

from __future__ import annotations

import base64
import json

from service.domain.customers import CustomerId, OrgId
from service.domain.events import new_secret, sign, tag_event
from service.domain.events.signature import signature

EVENT = tag_event(
    OrgId("1000000001"),
    "1700000000123-4",
    is_added=True,
    customer=CustomerId(7),
    tag="Khách VIP",
    rule="vip",
    version=3,
)


def test_the_example_of_the_specification_has_its_signature() -> None:
    """The secret, message and signature with which the libraries of Standard Webhooks test themselves."""
    signed = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )

    assert signed == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_has_32_bytes_and_the_known_prefix() -> None:
    text = new_secret(bytes(range(32)))

    assert text.startswith("whsec_")
    assert base64.b64decode(text.removeprefix("whsec_")) == bytes(range(32))


def test_a_request_is_signed_with_every_secret() -> None:
    first, second = new_secret(b"1" * 32), new_secret(b"2" * 32)

    headers, body = sign(EVENT, [first, second], at_s=1_700_000_001)

    assert headers["webhook-id"] == "tag_1000000001_1700000000123-4"
    assert headers["webhook-timestamp"] == "1700000001"
    assert headers["webhook-signature"].split(" ") == [
        f"v1,{signature(secret, headers['webhook-id'], 1_700_000_001, body)}" for secret in (first, second)
    ]


def test_the_body_has_ids_tag_rule_and_version_and_nothing_else_of_a_person() -> None:
    _, body = sign(EVENT, [], at_s=1)

    assert json.loads(body) == {
        "type": "customer.tagged",
        "timestamp": "2023-11-14T22:13:20.123Z",
        "data": {
            "org": "1000000001",
            "customer_id": 7,
            "tag": "Khách VIP",
            "rule": "vip",
            "version": 3,
        },
    }
