"""Templates: Jinja2 with autoescape, where a missing name or text is an error.

The templates of a page stand beside its module, and are named by folder: `account/profile.html`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.web.pages.shell.assets import asset
from service.web.pages.shell.layout import Layout, crumbs_title
from service.web.pages.shell.page import View, Visit

FOLDER: Final = Path(__file__).parent.parent


@cache
def environment() -> Environment:
    """The templates of all pages, compiled on first use."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["asset"] = asset
    return made


def render(view: View, visit: Visit, layout: Layout) -> str:
    """The HTML of a view."""
    template = environment().get_template(view.template)
    return template.render(
        view=view.model,
        page=view,
        tab_title=crumbs_title(view),
        layout=layout,
        visit=visit,
        t=visit.t,
        fmt=layout.formats,
    )
