"""The parts of an order in the admin seed: its line, its places, its parcel, its refund."""

from __future__ import annotations

from typing import Any

from . import admin, money
from .records import Customer, Order

SHIPPING = {
    "code": "Free Shipping",
    "price": "0.00",
    "source": "haravan",
    "title": "Free Shipping",
    "tax_lines": [],
}
CLIENT = {
    "accept_language": None,
    "browser_height": None,
    "browser_ip": "0.0.0.0",  # noqa: S104 - the seed's own example value
    "browser_width": None,
    "session_hash": None,
    "user_agent": None,
}
PAYMENT = {
    "avs_result_code": None,
    "credit_card_bin": None,
    "cvv_result_code": None,
    "credit_card_number": "•••• •••• •••• 4242",
    "credit_card_company": "Visa",
}


def line_item(order: Order, price: str) -> dict[str, Any]:
    return {
        "fulfillment_service": "manual",
        "fulfillment_status": None,
        "gift_card": False,
        "grams": 200,
        "id": order.id + 1,
        "price": price,
        "product_id": 632_910_392,
        "quantity": 1,
        "requires_shipping": True,
        "sku": "HANG-MAU",
        "taxable": True,
        "title": "Hàng mẫu",
        "variant_id": 39_072_856,
        "variant_title": "mặc định",
        "vendor": None,
        "name": "Hàng mẫu - mặc định",
        "variant_inventory_management": "haravan",
        "properties": [],
        "product_exists": True,
        "fulfillable_quantity": 1,
        "total_discount": "0.00",
        "tax_lines": [],
    }


def place(customer: Customer) -> dict[str, Any]:
    address = customer.default_address
    known = admin.address(address) if address else {}
    shown = ("address1", "address2", "city", "company", "country", "first_name", "last_name")
    return {
        **{key: known.get(key) for key in shown},
        "latitude": 10.7626,
        "longitude": 106.6602,
        **{
            key: known.get(key)
            for key in ("phone", "province", "zip", "name", "country_code", "province_code")
        },
    }


def fulfillment(order: Order, at: str | None, item: dict[str, Any]) -> dict[str, Any]:
    number = f"1Z{order.id}"
    url = f"http://www.example.com/tracking/{number}"
    return {
        "created_at": at,
        "id": order.id + 2,
        "order_id": order.id,
        "service": "manual",
        "status": "success",
        "tracking_company": None,
        "updated_at": at,
        "tracking_number": number,
        "tracking_numbers": [number],
        "tracking_url": url,
        "tracking_urls": [url],
        "receipt": {"testcase": True, "authorization": "123456"},
        "line_items": [item],
    }


def refund(order: Order, at: str | None, item: dict[str, Any], currency: str) -> dict[str, Any]:
    return {
        "created_at": at,
        "id": order.id + 3,
        "note": None,
        "order_id": order.id,
        "restock": True,
        "user_id": 799_407_056,
        "refund_line_items": [
            {"id": order.id + 4, "line_item_id": item["id"], "quantity": 1, "line_item": item}
        ],
        "transactions": [
            {
                "amount": money.admin(order.refunded),
                "authorization": "authorization-key",
                "created_at": at,
                "currency": currency,
                "gateway": "cod",
                "id": order.id + 5,
                "kind": "refund",
                "location_id": None,
                "message": None,
                "order_id": order.id,
                "parent_id": None,
                "status": "success",
                "test": False,
                "user_id": None,
                "device_id": None,
                "receipt": {},
                "error_code": None,
                "source_name": "web",
            }
        ],
    }
