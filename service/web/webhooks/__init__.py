"""The webhook endpoint: signature, shop, delivery, answer.

The app mounts `WebhookEndpoint`."""

from service.web.webhooks.endpoint import PATH, WebhookEndpoint
from service.web.webhooks.metrics import BatchLogger, WebhookMetrics
from service.web.webhooks.rejections import RejectionTracker
from service.web.webhooks.shop_cache import REFRESH_TIMEOUT_S, ShopCache

__all__ = [
    "PATH",
    "REFRESH_TIMEOUT_S",
    "BatchLogger",
    "RejectionTracker",
    "ShopCache",
    "WebhookEndpoint",
    "WebhookMetrics",
]
