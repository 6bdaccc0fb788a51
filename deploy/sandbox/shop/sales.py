"""Orders and refunds: their effect on the customer, and their webhooks."""

from __future__ import annotations

from msgspec.structs import replace

from deploy.sandbox.records import Customer, Money, Order, Stamp, order_body
from deploy.sandbox.shop.shop import Shop


def place_order(shop: Shop, customer: Customer, amount: Money, *, at: Stamp | None = None) -> Order:
    """Place an order, now or at a time in the past. The customer's last order is the latest one by time."""
    number = shop.counters.take("order_number")
    new_order = Order(shop.counters.take("order"), number, amount, shop.now() if at is None else at)
    version = shop.change(apply_order(customer, new_order))
    _announce(shop, version, new_order, "orders/create", "orders/paid")
    return new_order


def refund_order(shop: Shop, customer: Customer, amount: Money) -> Customer:
    """Refund `amount` of the latest order. The total decreases, the number of orders does not."""
    total = (customer.total_spent or 0) - amount
    orders = customer.orders
    if orders:
        last = orders[-1]
        orders = (*orders[:-1], replace(last, refunded=last.refunded + amount))
    version = shop.change(replace(customer, total_spent=max(0, total), orders=orders))
    if orders:
        _announce(shop, version, orders[-1], "refunds/create", "orders/updated")
    return version


def apply_order(customer: Customer, new_order: Order) -> Customer:
    """The customer after this order."""
    counted = replace(
        customer,
        orders=(*customer.orders, new_order),
        orders_count=(customer.orders_count or 0) + 1,
        total_spent=(customer.total_spent or 0) + new_order.amount,
    )
    if customer.last_order_date is not None and customer.last_order_date > new_order.at:
        return counted
    return replace(
        counted, last_order_id=new_order.id, last_order_name=new_order.name, last_order_date=new_order.at
    )


def _announce(shop: Shop, customer: Customer, new_order: Order, *topics: str) -> None:
    """Send the webhooks of the order's own topics, if the app subscribed to them."""
    for topic in topics:
        if topic in shop.app.topics:
            shop.send(
                topic, customer.id, order_body(new_order, customer, zone=shop.zone, currency=shop.currency)
            )
