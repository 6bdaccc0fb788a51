"""Endpoints of access: tokens of the API, users of the pages, the keys of SECRET_KEY, and the audit log.

The routes take `ENDPOINTS`."""

from service.web.ops.access import audit, keys, tokens, users

ENDPOINTS = (*tokens.ENDPOINTS, *users.ENDPOINTS, *keys.ENDPOINTS, *audit.ENDPOINTS)

__all__ = ["ENDPOINTS"]
