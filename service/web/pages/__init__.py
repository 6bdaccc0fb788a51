"""The pages for marketers, ops and owners: HTML from the server, which works without JavaScript.

One package for each subject, with the module of its routes and view models beside its templates. `deploy/docs/pages.md`
says how to add a page."""

from service.web.pages.routes import GROUPS, build_pages

__all__ = ["GROUPS", "build_pages"]
