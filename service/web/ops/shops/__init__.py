"""Endpoints of shops: status, pause and resume, first look, shadow mode, doctor.

The routes take `ENDPOINTS`."""

from service.web.ops.shops import doctor, first_look, shadow, status

ENDPOINTS = (*status.ENDPOINTS, *doctor.ENDPOINTS, *first_look.ENDPOINTS, *shadow.ENDPOINTS)

__all__ = ["ENDPOINTS"]
