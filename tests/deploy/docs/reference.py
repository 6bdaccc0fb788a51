"""The generated reference pages. `python -m tests.deploy.docs.reference` writes them again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import typer.main
from prometheus_client.core import Metric

from deploy.cli.app import build_app
from deploy.sandbox.__main__ import app as sandbox_app
from service.web.metrics.gauges import build_info, server_families, shop_families
from service.web.metrics.shared import shared_families
from service.web.ops.contract import document
from service.web.ops.routes import ENDPOINTS
from service.web.problems import PROBLEM_TYPES, PROBLEMS_PATH
from service.web.webhooks.metrics import WebhookMetrics
from tests.deploy.docs.parity import NOT_IN_API, OPERATIONS

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / "deploy/docs/reference"
NOTE: Final = "<!-- Generated from the code: python -m tests.deploy.docs.reference -->\n"
SETTING: Final = re.compile(r"^(#?)([A-Z][A-Z_]+)=(.*)$")
GAUGE: Final = re.compile(r'GaugeMetricFamily\(\s*"(tagger_\w+)", "([^"]+)"')
ALERT: Final = re.compile(r"^### `(\w+)`\n- \*\*What happened\.\*\* (.+?)\n- ", re.MULTILINE | re.DOTALL)
ROW: Final = re.compile(r"^\| `([^`]+)` \| (.+?) \|", re.MULTILINE)


def settings_page() -> str:
    """Every setting with its default and its explanation, from deploy/env.example."""
    lines = [
        "# Settings",
        "",
        NOTE,
        "Environment variables, read once at the start by every process. `./deploy/tagger`, honcho and compose also read",
        "them from `.env`; a variable of the environment wins. A bad value stops the start, and the message names all",
        "problems at once. The file to copy: [env.example](../../env.example).",
        "",
    ]
    comment: list[str] = []
    for line in (ROOT / "deploy/env.example").read_text(encoding="utf-8").splitlines():
        found = SETTING.match(line)
        if found:
            default = f"default `{found[3]}`" if found[3] else "no default"
            heading = [f"## `{found[2]}`", "", f"*{default}*", ""] if comment else []
            lines += [*heading, _joined(comment), ""] if comment else _also(found[2], default)
            comment = []
        elif line.startswith("#"):
            comment.append(line.removeprefix("#").strip())
        else:
            comment = []
    return "\n".join(lines).rstrip() + "\n"


def _joined(comment: list[str]) -> str:
    """The lines of a comment as one paragraph. A line without a full stop before a capital letter gets one."""
    text = ""
    for line in comment:
        needs_stop = text[-1:].isalnum() and line[:1].isupper() and text
        text = f"{text}{'.' if needs_stop else ''} {line}".strip()
    return text


def _also(name: str, default: str) -> list[str]:
    """A setting that shares the explanation of the one above."""
    return [f"### `{name}`", "", f"*{default}; see above*", ""]


def command_line_page() -> str:
    """Every command with its arguments and options, from the command line itself."""
    root: Any = typer.main.get_command(build_app())
    lines = [
        "# Command line",
        "",
        NOTE,
        "`tagger` is `./deploy/tagger`. Options for every command stand before or behind it:",
        "",
        *_parameters(root),
        "",
        str(root.epilog),
        "",
        "Names of outcomes, causes, topics and fields are the same in both languages, because filters, metrics and the",
        "runbook use them. `--json` has the same keys in both. `--help`, and what is said of a wrong option, are in English.",
        "",
    ]
    for path, command in list_commands(root, ("tagger",)):
        lines += [
            f"## {' '.join(path)}",
            "",
            f"`{_usage(path, command)}`",
            "",
            _first_paragraphs(command.help),
            "",
        ]
        if parameters := _parameters(command):
            lines += [*parameters, ""]
    return "\n".join(lines).rstrip() + "\n"


def list_commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of a group with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from list_commands(command, (*path, name))
        elif name == "sandbox":
            yield (*path, name), typer.main.get_command(sandbox_app)
        else:
            yield (*path, name), command


def _usage(path: tuple[str, ...], command: Any) -> str:
    arguments = [_placeholder(each) for each in command.params if each.param_type_name == "argument"]
    return " ".join([*path, *arguments])


def _placeholder(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _first_paragraphs(text: str | None) -> str:
    paragraphs = [" ".join(part.split()) for part in (text or "").split("\n\n")]
    return "\n\n".join(filter(None, paragraphs))


def _parameters(command: Any) -> list[str]:
    rows = [
        f"| `{_name(each)}` | {_cell(each.help)} |"
        for each in command.params
        if "--help" not in each.opts and getattr(each, "help", None) is not None
    ]
    return ["| | |", "|---|---|", *rows] if rows else []


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _placeholder(parameter)
    names = ", ".join(each for each in parameter.opts if each.startswith("--"))
    return _cell(f"{names} {parameter.metavar}" if parameter.metavar else names)


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def ops_api_page() -> str:
    """Every operation of the ops API, from its endpoints."""
    lines = [
        "# Ops API",
        "",
        NOTE,
        "JSON, with `Authorization: Bearer TOKEN`. [`openapi.json`](openapi.json) has the types and an example of every operation;",
        "the service has it at `/ops/openapi.json`. What all operations share is on the page on",
        "[stability](api-stability.md), every error on that of [problems](problems.md).",
        "",
        "| operation | role | what it does |",
        "|---|---|---|",
        *(
            f"| `{endpoint.method} {endpoint.path}` | {endpoint.role.value} | {_cell(_summary(endpoint))} |"
            for endpoint in ENDPOINTS
        ),
        "",
        "## The command line and the API",
        "",
        "Both call the same functions. What the command line does at Haravan itself, a worker does for the API.",
        "",
        "| command | operation |",
        "|---|---|",
        *(f"| `tagger {command}` | {_operations(names)} |" for command, names in OPERATIONS.items()),
        "",
        "Not in the API:",
        "",
        *(
            f"- {', '.join(f'`tagger {command}`' for command, why in NOT_IN_API.items() if why == reason)}: {reason}."
            for reason in dict.fromkeys(NOT_IN_API.values())
        ),
    ]
    return "\n".join(lines) + "\n"


def _operations(names: str) -> str:
    by_name = {endpoint.name: endpoint for endpoint in ENDPOINTS}
    return ", ".join(f"`{by_name[name].method} {by_name[name].path}`" for name in names.split())


def _summary(endpoint: Any) -> str:
    return _first_paragraphs(endpoint.handler.__doc__).split("\n\n")[0]


def openapi_document() -> str:
    """The OpenAPI document of the ops API, as `/ops/openapi.json` has it, for people to read and to compare."""
    described = msgspec.json.decode(msgspec.json.encode(document(ENDPOINTS)))
    return json.dumps(described, ensure_ascii=False, indent=1) + "\n"


def problems_page() -> str:
    """Every type of problem with its meaning, and what to do about it."""
    lines = [
        "# Problems",
        "",
        NOTE,
        "Errors of the ops API are `application/problem+json` (RFC 9457). `type` is an address of the service itself, such as",
        f"`{PROBLEMS_PATH}#not-found`; the service shows this page there. Compare `type` in programs: it stays.",
        "`title` and `detail` are for people and may change. See [stability](api-stability.md).",
        "",
    ]
    for kind, each in PROBLEM_TYPES.items():
        lines += [f"## {kind}", "", f"*{each.status}: {each.title}.* {each.meaning}", "", each.advice, ""]
    return "\n".join(lines).rstrip() + "\n"


def signals_page() -> str:
    """Every metric, log event, alert and finding. What to do about each is in the runbook."""
    runbook = (ROOT / "deploy/RUNBOOK.md").read_text(encoding="utf-8")
    lines = [
        "# Metrics, log events, alerts and findings",
        "",
        NOTE,
        "What to do about each: [runbook](../../RUNBOOK.md).",
        "",
        "## Metrics",
        "",
        "| metric | type | meaning |",
        "|---|---|---|",
        *(
            f"| `{_exported(family)}` | {family.type} | {_cell(family.documentation)} |"
            for family in _families()
        ),
        "",
    ]
    for section in ("Log events", "Alerts", "Findings"):
        text = runbook.partition(f"## {section}\n")[2].partition("\n## ")[0]
        lines += [f"## {section}", "", "| name | meaning |", "|---|---|"]
        rows = ALERT.findall(text) if section == "Alerts" else ROW.findall(text)
        lines += [f"| `{name}` | {_cell(meaning)} |" for name, meaning in rows]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _families() -> list[Metric]:
    """The families of both sources, and those that only a scrape makes."""
    source = (ROOT / "service/web/metrics/exposition.py").read_text(encoding="utf-8")
    return [
        build_info(),
        *WebhookMetrics().registry.collect(),
        *(Metric(name, text, "gauge") for name, text in GAUGE.findall(source)),
        *server_families((0, 0), shops=0, heartbeat_ms=None),
        *shop_families([]),
        *shared_families([]),
    ]


def _exported(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


PAGES: Final = {
    "settings.md": settings_page,
    "command-line.md": command_line_page,
    "ops-api.md": ops_api_page,
    "openapi.json": openapi_document,
    "problems.md": problems_page,
    "signals.md": signals_page,
}


def write_pages() -> None:
    """Write all pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write_pages()
