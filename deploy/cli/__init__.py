"""The command line `tagger`, for operators and developers. Others use only `main`."""

from __future__ import annotations


def main() -> None:
    """Run one command and exit with a code from `exit_codes`."""
    from deploy.cli.app import run_command

    run_command()


__all__ = ["main"]
