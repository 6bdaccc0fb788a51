"""What the ops API is asked about rules and what it answers. These types are also its OpenAPI schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from service.domain.customers import MAX_ID
from service.domain.impact import Preview, PublishGuard, WriteCost
from service.web.ops.models import Answer, Asked, RunLine

Number = Annotated[int, Meta(ge=1, le=MAX_ID)]
Parent = Annotated[int, Meta(ge=0, le=MAX_ID, description="The live version that you began from; 0: none")]
Language = Annotated[Literal["vi", "en"], Meta(description="The language of sentences")]
Note = Annotated[str, Meta(max_length=200, description="Why: shown in the history")]
Approve = Annotated[bool, Meta(description="Publish although it touches or removes much")]
Shadow = Annotated[bool, Meta(description="The shop is in shadow mode: nothing is written")]
Document = Annotated[
    str | dict[str, Any],
    Meta(description="A rules document: its text (YAML or JSON, errors have lines), or the object itself"),
]


class RulesQuery(Asked, frozen=True):
    """A version; the live one without it."""

    version: Number | UnsetType = UNSET


class HistoryQuery(Asked, frozen=True):
    """How many versions."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class DifferenceQuery(Asked, frozen=True, rename={"since": "from", "until": "to"}):
    """From a version to another: without them from the one before to the live one."""

    since: Number | UnsetType = UNSET
    until: Number | UnsetType = UNSET
    lang: Language = "vi"


class Previewing(Asked, frozen=True):
    """Rules that may be published."""

    rules: Document
    lang: Language = "vi"


class Publishing(Asked, frozen=True):
    """Rules to be published. With `parent` it is refused when another version was published since."""

    rules: Document
    note: Note = ""
    approve: Approve = False
    parent: Parent | UnsetType = UNSET


class RollingBack(Asked, frozen=True):
    """The version to go back to. With `dry_run` it is only previewed."""

    to: Number
    note: Note = ""
    approve: Approve = False
    dry_run: bool = False
    lang: Language = "vi"


class GoingLive(Asked, frozen=True):
    """With `dry_run` it is only previewed what would be written."""

    approve: Approve = False
    dry_run: bool = False
    lang: Language = "vi"


class VersionLine(Answer, frozen=True):
    """One version; equal `content` is equal rules. `preview` is what its author was shown, in short."""

    number: int
    content: str
    author: str
    note: str
    at_ms: int
    parent: int
    preview: dict[str, Any] | None


class VersionList(Answer, frozen=True):
    """The newest first; the first one is live."""

    versions: list[VersionLine]


class ShownRules(Answer, frozen=True):
    """The rules of a version: as an object, and as YAML."""

    version: VersionLine
    rules: dict[str, Any]
    yaml: str


class DifferenceLine(Answer, frozen=True):
    """One line of a rule's sentences: `sign` is -, + or a space."""

    sign: str
    text: str


class RuleDifference(Answer, frozen=True):
    """What became of one rule or tier."""

    id: str
    how: Literal["added", "removed", "changed", "moved"]
    title: str
    lines: list[DifferenceLine]


class ShownDifference(Answer, frozen=True, rename={"since": "from", "until": "to"}):
    """What differs between two versions: rule by rule in sentences, and as YAML. `text` tells it all."""

    since: int
    until: int
    text: list[str]
    rules: list[RuleDifference]
    yaml: str


class ShownPreview(Preview, Answer, frozen=True, kw_only=True):
    """What publishing would do after version `parent`: tags, tier moves, API calls, warnings; samples are ids."""

    parent: int
    effort: WriteCost
    guard: PublishGuard
    unseen: Annotated[
        int | None, Meta(description="Customers of the shop whom nobody has looked at yet; null: unknown")
    ]
    changes: list[str]
    warnings: list[str]
    shadow: Shadow


class Published(Answer, frozen=True):
    """The new version, and the run that carries it out; null where nobody changes."""

    version: VersionLine
    run: RunLine | None
    shadow: Shadow


class RolledBack(Answer, frozen=True):
    """With `dry_run` the preview; else the new version and its run."""

    preview: ShownPreview | None
    published: Published | None


class WentLive(Answer, frozen=True):
    """With `dry_run` the preview; else the run that writes what was only decided: null where nobody changes."""

    preview: ShownPreview | None
    run: RunLine | None
    shadow: Shadow
