"""HTTP: the webhook endpoint, the ops API, health and metrics.

The service's app puts them together; no other room imports them."""
