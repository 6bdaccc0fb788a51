"""Endpoints of customers: search, record, explanation, exclusions, personal data. They are CPU work and run in the pool.

The routes take `ENDPOINTS`."""

from service.web.ops.customers import exclusion, explanation, personal_data, records

ENDPOINTS = (*records.ENDPOINTS, *exclusion.ENDPOINTS, *personal_data.ENDPOINTS, *explanation.ENDPOINTS)

__all__ = ["ENDPOINTS"]
