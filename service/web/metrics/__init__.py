"""/metrics: the webhook metrics of this process, the counters of all processes, and gauges read from Redis.

The health endpoints render them. Each name is described in RUNBOOK, Metrics."""

from service.web.metrics.exposition import MAX_SHOPS, Metrics

__all__ = ["MAX_SHOPS", "Metrics"]
