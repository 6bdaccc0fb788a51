"""The ops API: JSON endpoints, each with the least role that may call it, described by an OpenAPI document.

The app mounts `routes`."""

from service.web.ops.routes import routes

__all__ = ["routes"]
