"""The command line `tagger`: what ops and developers type."""

from __future__ import annotations


def main() -> None:
    """Run one command and exit: 0 done, 1 refused or problems found, 2 wrong usage or settings, 3 the store is
    away, 4 Haravan did not do it, 130 interrupted."""
    from deploy.cli.app import run

    run()
