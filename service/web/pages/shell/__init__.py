"""What every page is built from: its type, the answer to its request, the layout around it, security, formats, assets.

It knows no single page."""

from service.web.pages.shell.assets import asset, mounts
from service.web.pages.shell.formats import Formats, parse_amount, parse_count, parse_day, parse_time
from service.web.pages.shell.layout import home_path
from service.web.pages.shell.page import (
    Crumb,
    Download,
    Notice,
    Page,
    PageGroup,
    Redirect,
    Section,
    View,
    Visit,
    Visitor,
)
from service.web.pages.shell.rendering import environment
from service.web.pages.shell.respond import Responder
from service.web.pages.shell.security import SecurityMiddleware, safe_path
from service.web.pages.shell.strip import Strip, load_strip

__all__ = [
    "Crumb",
    "Download",
    "Formats",
    "Notice",
    "Page",
    "PageGroup",
    "Redirect",
    "Responder",
    "Section",
    "SecurityMiddleware",
    "Strip",
    "View",
    "Visit",
    "Visitor",
    "asset",
    "environment",
    "home_path",
    "load_strip",
    "mounts",
    "parse_amount",
    "parse_count",
    "parse_day",
    "parse_time",
    "safe_path",
]
