"""Every component in every state, with made-up content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from service.web.pages.activity import Plot, sample_plots
from service.web.pages.shell import Crumb, Page, Redirect, View, Visit


@dataclass(frozen=True, slots=True)
class Design:
    """The made-up content."""

    tones: tuple[str, ...] = ("", "good", "warn", "bad", "info")
    errors: Mapping[str, str] = field(default_factory=dict)
    now_ms: int = 0
    plots: tuple[Plot, ...] = ()


async def show_design(visit: Visit) -> View | Redirect:
    """The page. Nobody needs to be signed in: it has no data."""
    errors = {"wrong": visit.t("shops.pause.error")}
    model = Design(errors=errors, now_ms=await visit.context.now_ms(), plots=sample_plots(visit.t))
    return View("design/design.html", model, "Design", (Crumb("Design", "/design"),))


PAGES: Final = (Page("GET", "/design", show_design, None),)
