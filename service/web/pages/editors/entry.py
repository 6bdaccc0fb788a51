"""A rule as a form: its settings beside the conditions, from a draft's plain data and back; and the panel beside the form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import FormData

from service.publishing.editor import Inspection, Problem, TriedCustomer
from service.web.pages.editors.drafts import EditorFrame
from service.web.pages.editors.tree import Data, Node, read_node, root_to_data, to_root

DEFAULT_KEEP_DAYS: Final = "30"
_KEEP_DAYS: Final = re.compile(r"([0-9]+) days")


@dataclass(frozen=True, slots=True)
class RuleFields:
    """The settings of a rule as the form shows them."""

    id: str
    name_vi: str
    name_en: str
    tag: str
    note: str
    enabled: bool
    keep: str  # while_matching, forever, days
    keep_days: str
    owns: str
    when_gone: str


@dataclass(frozen=True, slots=True)
class LevelBar:
    """A level of a tier in the panel. `share` is the width of its bar, in parts of 100."""

    tag: str
    customers: int
    share: int


@dataclass(frozen=True, slots=True)
class Panel:
    """What a rule or tier means and does, beside its form. `links`: where each error is, and its text."""

    inspection: Inspection
    links: tuple[tuple[str, str], ...]
    org: str
    path: str
    tag: str
    is_tier: bool
    enabled: bool
    levels: tuple[LevelBar, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """What somebody typed to try the draft on a customer, and what came of it."""

    text: str = ""
    error: str = ""
    tried: TriedCustomer | None = None


NO_TRIAL: Final = Trial()


def make_panel(
    frame: EditorFrame, entry: Mapping[str, Any], inspection: Inspection, links: Iterable[tuple[str, str]]
) -> Panel:
    """The panel of a rule or tier of the draft."""
    counts = [each.customers for each in inspection.levels]
    most = max(counts, default=0) or 1
    tags = [str(level.get("tag", "")) for level in entry.get("levels", ())] + [""]
    return Panel(
        inspection,
        tuple(links),
        frame.shop.org,
        frame.path,
        str(entry.get("tag") or ""),
        frame.kind == "tiers",
        frame.enabled,
        tuple(
            LevelBar(tag, count, round(100 * count / most)) for tag, count in zip(tags, counts, strict=False)
        ),
    )


def read_fields(entry: Mapping[str, Any]) -> RuleFields:
    """The settings of a draft's rule."""
    name = entry.get("name")
    vi, en = (name.get("vi"), name.get("en")) if isinstance(name, Mapping) else (name, "")
    keep = str(entry.get("keep", "while_matching"))
    days = _KEEP_DAYS.fullmatch(keep)
    return RuleFields(
        id=str(entry.get("id", "")),
        name_vi=str(vi or ""),
        name_en=str(en or ""),
        tag=str(entry.get("tag") or ""),
        note=str(entry.get("note") or ""),
        enabled=bool(entry.get("enabled", True)),
        keep=keep if keep in ("while_matching", "forever") else "days",
        keep_days=days[1] if days else DEFAULT_KEEP_DAYS if keep in ("while_matching", "forever") else keep,
        owns=str(entry.get("owns", "added")),
        when_gone=str(entry.get("when_gone", "leave")),
    )


def read_entry(form: FormData, original: Mapping[str, Any]) -> Data:
    """The rule that a form posted. What the form does not have stays as in `original`."""
    entry = dict(original)

    def text(name: str) -> str:
        value = form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    vi, en = text("name_vi"), text("name_en")
    if en or isinstance(entry.get("name"), Mapping):
        entry["name"] = {key: value for key, value in (("vi", vi), ("en", en)) if value}
    else:
        entry["name"] = vi
    if not entry["name"]:
        del entry["name"]
    entry["tag"] = text("tag")
    keep = text("keep") or "while_matching"
    if keep == "days":
        days = text("keep_days")
        keep = f"{days} days" if days.isascii() and days.isdigit() else days
    entry["keep"] = keep
    entry["owns"] = text("owns") or "added"
    entry["when_gone"] = text("when_gone") or "leave"
    entry.pop("note", None)
    if note := text("note"):
        entry["note"] = note
    entry["when"] = root_to_data(read_node(form), is_bare=bool(form.get("bare")))
    return entry


def field_errors(problems: Sequence[Problem]) -> dict[str, str]:
    """The errors of the settings, by name of the input."""
    inputs = {"name": "name_vi", "keep": "keep_days"}
    return {
        inputs.get(str(each.path[0]), str(each.path[0])): each.text
        for each in problems
        if each.path and each.path[0] != "when"
    } | {each.part or "tag": each.text for each in problems if not each.path}


def root_of(entry: Mapping[str, Any]) -> tuple[Node, bool]:
    """The outermost group of a draft's rule, and whether the draft has a single condition in its place."""
    return to_root(entry.get("when"))
