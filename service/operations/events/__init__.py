"""Where the events of a shop are sent: endpoints with their secrets, and sending events again.

`service.operations` shows it to others."""

from service.operations.events import endpoints
from service.operations.events.endpoints import EndpointStatus, NewSecret

__all__ = ["EndpointStatus", "NewSecret", "endpoints"]
