"""HTTP: the webhook endpoint, the ops API, health and metrics."""
