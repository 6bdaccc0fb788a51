"""Endpoints of shops: add, remove, credentials, webhook subscription, status, pause and resume, first look, shadow mode, freeze, doctor, and where events are sent.

The routes take `ENDPOINTS`."""

from service.web.ops.shops import (
    doctor,
    endpoints,
    first_look,
    freeze,
    registration,
    shadow,
    status,
    subscription,
)

ENDPOINTS = (
    *status.ENDPOINTS,
    *registration.ENDPOINTS,
    *subscription.ENDPOINTS,
    *doctor.ENDPOINTS,
    *first_look.ENDPOINTS,
    *shadow.ENDPOINTS,
    *freeze.ENDPOINTS,
    *endpoints.ENDPOINTS,
)

__all__ = ["ENDPOINTS"]
