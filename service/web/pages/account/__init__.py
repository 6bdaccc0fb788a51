"""The pages of sign-in, profile, users, tokens and the audit log.

Everything they change goes through `service.operations`, as for the ops API and the command line."""

from service.web.pages.account import audit, profile, sign_in, tokens, users
from service.web.pages.shell import PageGroup

GROUP = PageGroup(
    pages=(*sign_in.PAGES, *profile.PAGES, *users.PAGES, *tokens.PAGES, *audit.PAGES),
    sections=(*users.SECTIONS, *tokens.SECTIONS, *audit.SECTIONS),
)

__all__ = ["GROUP"]
