"""Orders and refunds: what they change on the customer, and the webhooks that tell of them."""

from __future__ import annotations

from msgspec.structs import replace

from . import order_shape
from .money import Money
from .records import Customer, Order
from .shop import Shop
from .stamps import Stamp


def order(shop: Shop, customer: Customer, amount: Money, *, at: Stamp | None = None) -> Order:
    """Book an order. An order in the past becomes the last one only if it is the latest."""
    number = shop.counters.take("order_number")
    booked = Order(shop.counters.take("order"), number, amount, shop.now() if at is None else at)
    version = shop.change(with_order(customer, booked))
    tell(shop, version, booked, "orders/create", "orders/paid")
    return booked


def refund(shop: Shop, customer: Customer, amount: Money) -> Customer:
    """Give back `amount` of the latest order: the total falls, the number of orders stays."""
    total = (customer.total_spent or 0) - amount
    orders = customer.orders
    if orders:
        last = orders[-1]
        orders = (*orders[:-1], replace(last, refunded=last.refunded + amount))
    version = shop.change(replace(customer, total_spent=max(0, total), orders=orders))
    if orders:
        tell(shop, version, orders[-1], "refunds/create", "orders/updated")
    return version


def with_order(customer: Customer, booked: Order) -> Customer:
    """The customer after this order."""
    counted = replace(
        customer,
        orders=(*customer.orders, booked),
        orders_count=(customer.orders_count or 0) + 1,
        total_spent=(customer.total_spent or 0) + booked.amount,
    )
    if customer.last_order_date is not None and customer.last_order_date > booked.at:
        return counted
    return replace(counted, last_order_id=booked.id, last_order_name=booked.name, last_order_date=booked.at)


def tell(shop: Shop, customer: Customer, booked: Order, *topics: str) -> None:
    """Send the order's own webhooks, as far as they are switched on."""
    for topic in topics:
        if topic in shop.app.topics:
            shop.send(topic, customer.id, order_shape.body(booked, customer, shop))
