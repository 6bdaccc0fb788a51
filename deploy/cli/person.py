"""Who types: the name that stands in histories and beside pauses."""

from __future__ import annotations

import getpass


def me() -> str:
    """This user's name on this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have none
        return "command line"
