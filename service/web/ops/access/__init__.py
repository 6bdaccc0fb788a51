"""Endpoints of access: the tokens of the API, and the audit log.

The routes take `ENDPOINTS`."""

from service.web.ops.access import audit, tokens

ENDPOINTS = (*tokens.ENDPOINTS, *audit.ENDPOINTS)

__all__ = ["ENDPOINTS"]
