"""Endpoints of shops: status, pause and resume, first look, shadow mode, doctor, and where events are sent.

The routes take `ENDPOINTS`."""

from service.web.ops.shops import doctor, endpoints, first_look, shadow, status

ENDPOINTS = (
    *status.ENDPOINTS,
    *doctor.ENDPOINTS,
    *first_look.ENDPOINTS,
    *shadow.ENDPOINTS,
    *endpoints.ENDPOINTS,
)

__all__ = ["ENDPOINTS"]
