"""Sends events to the endpoints of shops, one after the other for each endpoint.

A slow or dead endpoint waits alone: it has one request at a time, and few may be under way in a process."""

from workers.events.delivery import EVENT_JOB, EventDelivery
from workers.events.sender import EventSender, open_sender

__all__ = ["EVENT_JOB", "EventDelivery", "EventSender", "open_sender"]
