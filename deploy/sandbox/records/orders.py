"""Orders in the older API's format (admin seed: orders): fifty keys, filled from what the sandbox knows about the sale."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from deploy.sandbox.records import admin, money, timestamps
from deploy.sandbox.records.models import Customer, Order

_encode = msgspec.json.Encoder().encode

_SHIPPING = {
    "code": "Free Shipping",
    "price": "0.00",
    "source": "haravan",
    "title": "Free Shipping",
    "tax_lines": [],
}
_CLIENT = {
    "accept_language": None,
    "browser_height": None,
    "browser_ip": "0.0.0.0",  # noqa: S104 - the seed's own example value
    "browser_width": None,
    "session_hash": None,
    "user_agent": None,
}
_PAYMENT = {
    "avs_result_code": None,
    "credit_card_bin": None,
    "cvv_result_code": None,
    "credit_card_number": "•••• •••• •••• 4242",
    "credit_card_company": "Visa",
}


def order_body(order: Order, customer: Customer, *, zone: ZoneInfo, currency: str) -> bytes:
    """The body of an order's webhook. The customer's id is in `customer.id`."""
    return _encode(format_order(order, customer, zone=zone, currency=currency))


def format_order(order: Order, customer: Customer, *, zone: ZoneInfo, currency: str) -> dict[str, Any]:
    """The order as the older API shows it. `zone` and `currency` are the shop's."""
    at = timestamps.format_admin(order.at, zone)
    price = money.format_admin(order.amount)
    item = _line_item(order, price)
    return {
        "buyer_accepts_marketing": bool(customer.accepts_marketing),
        "cancel_reason": None,
        "cancelled_at": None,
        "cart_token": f"{order.id:032x}",
        "checkout_token": None,
        "closed_at": None,
        "confirmed": False,
        "created_at": at,
        "currency": currency,
        "device_id": None,
        "email": customer.email,
        "financial_status": _financial_status(order),
        "fulfillment_status": None,
        "gateway": "cod",
        "id": order.id,
        "landing_site": "http://www.example.com?source=abc",
        "location_id": None,
        "name": order.name,
        "note": None,
        "number": order.number,
        "processed_at": at,
        "reference": f"{order.id:x}",
        "referring_site": "http://www.example.com",
        "source_identifier": f"{order.id:x}",
        "source_url": None,
        "subtotal_price": price,
        "taxes_included": False,
        "test": False,
        "token": f"{order.id * 2_654_435_761 % 2**128:032x}",
        "total_discounts": "0.00",
        "total_line_items_price": price,
        "total_price": price,
        "total_price_usd": price,
        "total_tax": "0.00",
        "total_weight": 0,
        "updated_at": at,
        "user_id": None,
        "browser_ip": None,
        "landing_site_ref": "abc",
        "order_number": 100_000 + order.number,
        "discount_codes": [],
        "note_attributes": [],
        "processing_method": "direct",
        "source": "browser",
        "checkout_id": order.id,
        "source_name": "web",
        "tax_lines": [],
        "tags": "",
        "line_items": [item],
        "shipping_lines": [_SHIPPING],
        "billing_address": _address(customer),
        "shipping_address": _address(customer),
        "fulfillments": [_fulfillment(order, at, item)],
        "client_details": _CLIENT,
        "refunds": [_refund(order, at, item, currency)] if order.refunded else [],
        "payment_details": _PAYMENT,
        "customer": admin.embedded(customer, zone),
    }


def _financial_status(order: Order) -> str:
    if not order.refunded:
        return "paid"
    return "refunded" if order.refunded >= order.amount else "partially_refunded"


def _line_item(order: Order, price: str) -> dict[str, Any]:
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


def _address(customer: Customer) -> dict[str, Any]:
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


def _fulfillment(order: Order, at: str | None, item: dict[str, Any]) -> dict[str, Any]:
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


def _refund(order: Order, at: str | None, item: dict[str, Any], currency: str) -> dict[str, Any]:
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
                "amount": money.format_admin(order.refunded),
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
