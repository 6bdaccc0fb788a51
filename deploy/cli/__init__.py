"""The command line `tagger`, for operators and developers. Others use only `main`."""

from __future__ import annotations

import gc


def main() -> None:
    """Run one command and exit with a code from `exit_codes`."""
    gc.disable()  # until the command works: importing creates many objects, frees none, and would be a fifth slower
    from deploy.cli.app import run_command

    run_command()


__all__ = ["main"]
