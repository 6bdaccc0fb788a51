"""`tagger demo|up|web|worker|sandbox`: the long-running commands."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated, Final

import typer

from deploy.cli.context import run
from deploy.cli.inputs import settings_source
from deploy.cli.output import print_note
from deploy.cli.wording import deferred, language, translator
from service.sentence import Sentence

KEY_MADE: Final = deferred("SECRET_KEY is not set: a key was made, in {file}.")
KEY_FOUND: Final = deferred("SECRET_KEY is not set: the key in {file} is used.")


def demo(
    once: Annotated[
        bool,
        typer.Option("--once", help="Run one fixed day, check every customer's tags, and exit with 0 or 1."),
    ] = False,
    customers: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many customers the shop has.")
    ] = 500,
    port: Annotated[int, typer.Option(help="The port of the web process; 0 selects a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Another number gives other customers and another day.")] = 1,
) -> None:
    """Watch the whole service at work on a simulated Haravan shop."""
    from deploy.demonstration import Options, run_demo

    options = Options(once=once, customers=customers, port=port, seed=seed, language=language())
    raise typer.Exit(run(run_demo(options)))


def up() -> None:
    """Run the whole service: web, worker and, if REDIS_URL is not set, a Redis server."""
    from deploy.local import error_console, local_secret_key, run_all, secret_key_file
    from service.seeding import read_rules_file
    from service.settings import find_gaps, is_set, read_settings

    environ = dict(os.environ)
    if not is_set(environ, "SECRET_KEY"):
        is_new = not secret_key_file().is_file()
        environ["SECRET_KEY"] = local_secret_key(create=True) or ""
        print_note(KEY_MADE if is_new else KEY_FOUND, file=secret_key_file())
        print_note(
            "It encrypts tokens and personal data: keep a copy. For production set SECRET_KEY to a key of your own "
            "(openssl rand -hex 32)."
        )
    settings = read_settings(environ)
    read_rules_file(settings)
    if gaps := find_gaps(settings):
        print_note("Not set yet:")
        for gap in gaps:
            error_console().print(f"  · {gap.text(translator())}")
        error_console().print(settings_source())
    start_redis = not is_set(environ, "REDIS_URL")
    raise typer.Exit(run(run_all(environ, port=settings.port, start_redis=start_redis, say=_say)))


def _say(sentence: Sentence) -> None:
    print_note(sentence.template, **sentence.params)


def web() -> None:
    """Run only the web process, which receives webhooks (`web` in the Procfile)."""
    # replaces this process, so that signals reach it
    os.execv(sys.executable, [sys.executable, "-P", "-m", "service"])  # noqa: S606


def worker() -> None:
    """Run only the worker, which reads customers, decides and writes tags (`worker` in the Procfile)."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", "workers"])  # noqa: S606


def sandbox(ctx: typer.Context) -> None:
    """Run a simulated Haravan shop: both customer APIs, webhooks, call limit and faults on request."""
    from deploy.cli.parser_text import run_translated
    from deploy.sandbox.__main__ import app as sandbox_app

    gc.enable()  # `main` has switched it off
    if language() == "en":
        sandbox_app(args=ctx.args, prog_name="tagger sandbox")
    run_translated(sandbox_app, ctx.args, name="tagger sandbox")
