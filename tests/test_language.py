"""The project speaks one language: no word of the private language that it was first written in is left.

The list has the hundred words that puzzled newcomers most. Each has one replacement, which a search finds everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SUFFIXES = {".py", ".lua", ".md", ".yaml", ".toml", ".po", ".example", ".conf", ".svg", ""}
FOLDERS = ("service", "workers", "deploy", "tests")

# old word -> the word for it; matched as a whole word, in the case as it stands here
RETIRED = {
    # concepts
    "doorbell": "wake-up",
    "strangers": "unknown shop",
    "stranger": "unknown shop, or unverified client",
    "deed": "audit entry",
    "deeds": "audit entries",
    "Deed": "AuditEntry",
    "the brake": "removal guard",
    "brakes": "removal_guard_trips",
    "the desk": "handler",
    "lots": "batches",
    "LotWriter": "BatchWriter",
    "Confirmation": "Acknowledgement",
    "put_back": "restore",
    "stands_apart": "fast path not applicable",
    "whoever": "each customer that",
    "Whoever": "each customer that",
    "going_live": "shadow mode off",
    "go_dark": "enable_shadow",
    "go_live": "disable_shadow",
    "happenings": "history, scenario",
    "enrol": "add_members",
    "put_off": "postpone",
    "marked again": "requeued",
    "turn over": "time_budget_spent",
    "hang_up": "close",
    "carry_out": "execute",
    "mend": "repair",
    "mended": "repaired",
    # types of the domain
    "Standing": "CustomerState",
    "Owned": "Ownership",
    "Stood": "UndoRecord",
    "stood": "undo",
    "Undoing": "RollbackCollector",
    "Settled": "UpToDate",
    "Hopeless": "Unprocessable",
    "Departed": "Deleted",
    "Judgement": "Outcome",
    "aftermath": "writes",
    "strikes": "reverts",
    "Strikes": "RevertHistory",
    "judge_absent": "evaluate_missing",
    "answering": "responsible_rule",
    "BadRules": "InvalidRules",
    "disagreements": "check_consistency",
    "Disagreement": "Inconsistency",
    "complaints": "validation",
    "complaint": "error summary",
    "BadValue": "InvalidOperand",
    "Takes": "OperandType",
    "Negation": "Not",
    "TierGroup": "Tier",
    "succeed": "inherit",
    "NO_PAST": "NO_INHERITANCE",
    "take_back": "revoked_grants",
    "taken_over": "transferred",
    "pack_owned": "OWNERSHIP_CODEC",
    "HeldBack": "TagOutcome",
    "held_back": "outcomes",
    "settle_gone": "decide_orphans",
    "settle_tag": "decide_tag",
    "settle_tier": "decide_tier",
    "looks_signed": "has_signature_format",
    "is_signed": "verify_signature",
    "read_kept": "decode_delivery",
    "tidy_topic": "normalize_topic",
    "NotSaid": "StrictTranslations",
    "TagVerdict": "TagExplanation",
    "RuleVerdict": "RuleExplanation",
    "say_value": "format_value",
    "customer_lines": "render_text",
    "standings": "states",
    "Outlook": "Impact",
    "due_days": "publish_plan",
    "coming_days": "publish_plan",
    "standing_otherwise": "publish_plan",
    "Effort": "WriteCost",
    "touched_since": "changed_since",
    "Touches": "ExternalChanges",
    # the store, workers and web
    "StoreAway": "StoreUnavailable",
    "Unreadable": "MalformedData",
    "Throttled": "RateLimited",
    "LockLost": "LeaseLost",
    "TurnOfShop": "DrainContext",
    "TurnOver": "DrainStopped",
    "Carried": "WriteResult",
    "Rulebook": "CompiledRulesCache",
    "Trickle": "ThrottledPermits",
    "Nights": "NightlyReconcile",
    "Walked": "ScanProgress",
    "made_ready": "compile_version",
    "RETRACTED": "RETRACTED_OWNER",
    "open_letters": "list_open",
    "mend_step_back": "handle_clock_step_back",
    "examine": "check_server",
    "seal_again": "reencrypt",
    "is_installed": "clear_uninstall",
    "NoDesk": "deleted",
    "Express": "deleted",
    "set_up_logging": "configure_logging",
    "Resting": "RateLimitFilter",
    "PATIENCE_S": "TIMEOUT_S",
    "MOST_TRIES": "MAX_ATTEMPTS",
    "dice": "jitter",
}

# Texts that a native speaker stumbles over, English and Vietnamese; matched anywhere, in any case.
STUMBLING_BLOCKS = (
    "the store is away",
    "is no moment",
    "is no customer id",
    "could not be brought right",
    "is not an earlier one",
    "Shop {org} works",
    "is let arrive",
    "when nothing else is to be done",
    "Không có gì phải ghi",
    "Nhãn không có:",
    "từ hàng sang cột",
    "là ở lại",
    "không phân biệt được ai",
    "xem hết khách",
    "không đụng",
)


def _files() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if (
                path.is_file()
                and path.suffix in SUFFIXES
                and "__pycache__" not in path.parts
                and path != Path(__file__)
            ):
                yield path
    yield from (ROOT / name for name in ("README.md", "CHANGELOG.md", "Procfile", "pyproject.toml"))


@pytest.fixture(scope="module")
def texts() -> dict[Path, str]:
    """Every text file of the project by path."""
    return {path: path.read_text(encoding="utf-8", errors="replace") for path in _files()}


@pytest.fixture(scope="module")
def lower_texts(texts: dict[Path, str]) -> dict[Path, str]:
    """The same in small letters."""
    return {path: text.lower() for path, text in texts.items()}


def test_there_are_a_hundred_retired_words() -> None:
    assert len(RETIRED) >= 100


@pytest.mark.parametrize("word", sorted(RETIRED))
def test_a_retired_word_is_nowhere(word: str, texts: dict[Path, str]) -> None:
    pattern = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])")

    found = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, hit.start()) + 1}"
        for path, text in texts.items()
        if word in text  # much faster than the pattern
        for hit in pattern.finditer(text)
    ]

    assert not found, f"say {RETIRED[word]!r} instead of {word!r}"


@pytest.mark.parametrize("phrase", STUMBLING_BLOCKS)
def test_a_phrase_that_nobody_says_is_nowhere(phrase: str, lower_texts: dict[Path, str]) -> None:
    found = [str(path.relative_to(ROOT)) for path, text in lower_texts.items() if phrase.lower() in text]

    assert not found
