"""The ops API: JSON endpoints with a bearer token, described by an OpenAPI document.

The app mounts `routes`."""

from service.web.ops.requests import TokenAuth
from service.web.ops.routes import routes

__all__ = ["TokenAuth", "routes"]
