"""The settings: every environment variable of deploy/env.example, read once and checked at the start."""

from service.settings.reader import REDIS_SCHEMES, Part, is_set
from service.settings.settings import Settings, find_gaps, log_warnings, read_settings

__all__ = ["REDIS_SCHEMES", "Part", "Settings", "find_gaps", "is_set", "log_warnings", "read_settings"]
