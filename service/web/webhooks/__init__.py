"""The webhook endpoint: verifies a delivery, stores it durably and answers 200.

`WebhookEndpoint` is an ASGI application for Starlette's `Route`; the other modules are what it needs.
"""

from service.web.webhooks.endpoint import PATH, WebhookEndpoint
from service.web.webhooks.metrics import BatchLogger, WebhookMetrics
from service.web.webhooks.rejections import RejectionTracker
from service.web.webhooks.shop_cache import ShopCache

__all__ = ["PATH", "BatchLogger", "RejectionTracker", "ShopCache", "WebhookEndpoint", "WebhookMetrics"]
