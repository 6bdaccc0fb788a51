"""`tagger backup` and `tagger restore`: an encrypted file with what cannot be read again from Haravan."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from deploy.cli.context import AsJson, OrgId, open_context, parse_org_id, run
from deploy.cli.exit_codes import UsageError
from deploy.cli.inputs import current_actor
from deploy.cli.output import format_time, print_json, print_sentence, print_table
from deploy.cli.runs import progress_counter
from deploy.cli.wording import headings, translate
from service.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from service.backup import Contents, KeySource, Secret, Section, SectionPlan

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="The passphrase: the first line of this file. Default: a prompt.",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file", metavar="FILE", help="A file of 32 random bytes or more: openssl rand -hex 32 > FILE"
    ),
]
COUNTED = ("owned", "versions", "ledger", "audit", "users", "tokens")  # keys whose entries people count


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file. It must not exist.")],
    passphrase_file: PassphraseFile = None,
    key_file: KeyFile = None,
    every: Annotated[
        int | None,
        typer.Option(
            metavar="HOURS",
            min=1,
            max=8760,
            help="This backup is part of a schedule: `tagger doctor` warns if the next one is late.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write an encrypted backup, while the service runs: rules, ownership, shops, users, tokens, audit log.

    Not in it are customer records, webhooks and the queue: after a restore every customer is read again.
    """
    from service.backup import write_backup
    from service.errors import Refused
    from service.runtime import program_version
    from service.store.backup import BackupStatus, count_customers, status

    if file.exists():
        raise Refused(Sentence("{file} exists already; write to a new file", file=str(file)))
    secret = _read_secret(passphrase_file, key_file, source=None, confirm=True)

    async def work() -> Contents:
        async with open_context() as cli:
            total = sum([await count_customers(cli.redis, org) for org in await cli.shops.orgs()])
            with (
                _new_file(file) as target,
                progress_counter(translate("customers read"), total=total) as on_customers,
            ):
                contents = await write_backup(
                    cli.context,
                    target,
                    secret,
                    program=program_version(),
                    by=current_actor(),
                    on_customers=on_customers,
                )
            await status.save(cli.redis, BackupStatus(contents.start.at_ms, every or 0))
            return contents

    contents = run(work())
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "bytes": size, **_to_plain(contents)})
        return
    _print_sections(contents.sections)
    print_sentence(
        "Written to {file}: {size} bytes. It opens only with the passphrase or key file that you gave.",
        file=str(file),
        size=size,
    )
    print_sentence(
        "Keep SECRET_KEY in another place than the backup: without it no token in the backup can be read."
    )


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `tagger backup` wrote.")],
    shop: Annotated[
        OrgId | None,
        typer.Option(
            metavar="ORG", parser=parse_org_id, help="Only this shop. Default: everything that is missing."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file and show what would be restored.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    key_file: KeyFile = None,
    without_secret_key: Annotated[
        bool,
        typer.Option(
            "--without-secret-key",
            help="Restore also shops whose tokens are protected by a SECRET_KEY that is lost. Their tokens must be stored again.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore what is missing from a backup, into an empty or a running service. What exists is not changed.

    Every customer is then read again by the workers, within about an hour for 100,000 customers.
    """
    from service.backup import plan_restore, verify
    from service.backup import restore as restore_sections

    if not file.is_file():
        raise UsageError(Sentence("there is no file {file}", file=str(file)))
    secret = _read_secret(passphrase_file, key_file, source=_read_source(file), confirm=False)

    async def work() -> tuple[Contents, Sequence[SectionPlan]]:
        async with open_context() as cli:
            with progress_counter(translate("bytes checked"), total=file.stat().st_size) as on_read:
                contents = verify(file, secret, on_read=on_read)
            plans = await plan_restore(
                cli.context, contents, shop=shop, without_secret_key=without_secret_key
            )
            if not dry_run:
                with progress_counter(
                    translate("entries written"), total=_count_entries(plans)
                ) as on_entries:
                    await restore_sections(
                        cli.context,
                        file,
                        secret,
                        plans,
                        at=format_time(contents.start.at_ms),
                        by=current_actor(),
                        on_entries=on_entries,
                    )
            return contents, plans

    contents, plans = run(work())
    if as_json:
        actions = {plan.section.org: plan.action for plan in plans}
        print_json({"dry_run": dry_run, **_to_plain(contents, actions)})
        return
    _print_sections([plan.section for plan in plans], plans, dry_run=dry_run)
    _print_result(contents, plans, dry_run=dry_run)


def _read_secret(
    passphrase_file: Path | None, key_file: Path | None, *, source: KeySource | None, confirm: bool
) -> Secret:
    """The passphrase or the key. `source`: what opens the file; None for a new file. Raises UsageError."""
    from service.backup import MIN_KEY, MIN_PASSPHRASE, KeySource, Secret

    if passphrase_file and key_file:
        raise UsageError(Sentence("give --passphrase-file or --key-file, not both"))
    if key_file:
        key = key_file.read_bytes()
        if len(key) < MIN_KEY:
            raise UsageError(
                Sentence(
                    "{file} has less than {least} bytes; make one with: openssl rand -hex 32",
                    file=str(key_file),
                    least=MIN_KEY,
                )
            )
        return Secret(KeySource.KEY_FILE, key)
    if passphrase_file:
        first, *_ = passphrase_file.read_text(encoding="utf-8").splitlines() or [""]
        passphrase = first.strip()
    elif source is KeySource.KEY_FILE:
        raise UsageError(Sentence("this backup is opened with a key file: add --key-file FILE"))
    elif sys.stdin.isatty():
        passphrase = str(
            typer.prompt(translate("Passphrase"), hide_input=True, confirmation_prompt=confirm, err=True)
        ).strip()
    else:
        raise UsageError(
            Sentence("there is no terminal for a prompt: add --passphrase-file FILE or --key-file FILE")
        )
    if confirm and len(passphrase) < MIN_PASSPHRASE:
        raise UsageError(
            Sentence(
                "a passphrase has {least} characters or more; several words are easy to remember",
                least=MIN_PASSPHRASE,
            )
        )
    return Secret(KeySource.PASSPHRASE, passphrase.encode())


def _read_source(file: Path) -> KeySource:
    from service.backup import read_source

    with file.open("rb") as opened:
        return read_source(opened)


@contextmanager
def _new_file(file: Path) -> Iterator[BinaryIO]:
    """A file that only this user can read. It has its name when it is complete and on disk, not before."""
    unfinished = file.with_name(f"{file.name}.part")
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:  # noqa: PTH123
            yield target
            target.flush()
            os.fsync(target.fileno())
        unfinished.rename(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _print_sections(
    sections: Sequence[Section], plans: Sequence[SectionPlan] = (), *, dry_run: bool = False
) -> None:
    created = translate("would be restored") if dry_run else translate("restored")
    actions = [
        {"create": created, "keep": translate("exists, stays as it is")}[plan.action] for plan in plans
    ]
    names = headings(
        ">customers with our tags", ">versions of rules", ">tag writes", ">audit entries", ">users", ">tokens"
    )
    print_table(
        [*headings("what"), *(headings("action") if plans else []), *names],
        [
            (_label(section), *actions[index : index + 1], *(section.counts.get(name) for name in COUNTED))
            for index, section in enumerate(sections)
        ],
        empty=translate("There is nothing."),
    )


def _label(section: Section) -> str:
    from service.store.client import SERVICE

    return translate("the service") if section.org == SERVICE else f"{section.org} {section.name}"


def _print_result(contents: Contents, plans: Sequence[SectionPlan], *, dry_run: bool) -> None:
    print_sentence(
        "The backup was made at {time} by version {program}.",
        time=format_time(contents.start.at_ms),
        program=contents.start.program,
    )
    if dry_run:
        print_sentence("Nothing was changed.")
    elif any(plan.action == "create" for plan in plans):
        print_sentence(
            "Restored. Workers now read every customer again, slowly; to hurry: tagger backfill ORG. Then: tagger doctor"
        )
    if any(plan.action == "keep" for plan in plans):
        print_sentence(
            "A restore overwrites nothing. To go back to the backup of a shop: tagger shops remove ORG, then tagger restore FILE --shop ORG"
        )


def _count_entries(plans: Sequence[SectionPlan]) -> int:
    return sum(sum(plan.section.counts.values()) for plan in plans if plan.action == "create")


def _to_plain(contents: Contents, actions: Mapping[OrgId, str] | None = None) -> dict[str, object]:
    return {
        "at_ms": contents.start.at_ms,
        "program": contents.start.program,
        "layout": contents.start.layout,
        "sections": [
            {
                "org": section.org,
                "name": section.name,
                "counts": dict(section.counts),
                **({} if actions is None else {"action": actions[section.org]}),
            }
            for section in contents.sections
            if actions is None or section.org in actions
        ],
    }
