"""The editors of rules and tiers: the form, the same as YAML, the shared draft, the gallery, and what is done with a rule.

The list of rules shows `TEMPLATES` while it is empty."""

from service.web.pages.editors import actions, drafts, editing, gallery, source
from service.web.pages.editors.gallery import TEMPLATES, Template
from service.web.pages.editors.source import ShownError, show_errors
from service.web.pages.shell import PageGroup

GROUP = PageGroup(
    pages=(*gallery.PAGES, *drafts.PAGES, *editing.PAGES, *source.PAGES, *actions.PAGES), sections=()
)

__all__ = ["GROUP", "TEMPLATES", "ShownError", "Template", "show_errors"]
