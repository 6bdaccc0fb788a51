"""Endpoints of shops: status, pause and resume, first look, shadow mode, freeze, doctor.

The routes take `ENDPOINTS`."""

from service.web.ops.shops import doctor, first_look, freeze, shadow, status

ENDPOINTS = (
    *status.ENDPOINTS,
    *doctor.ENDPOINTS,
    *first_look.ENDPOINTS,
    *shadow.ENDPOINTS,
    *freeze.ENDPOINTS,
)

__all__ = ["ENDPOINTS"]
