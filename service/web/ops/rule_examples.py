"""Examples of rules, versions, previews and runs for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

RULES_TEXT: Final = """\
version: 1
timezone: Asia/Ho_Chi_Minh
currency: VND
rules:
  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""
RULES: Final[dict[str, Any]] = {
    "version": 1,
    "rules": [
        {
            "id": "vip",
            "name": "Khách VIP",
            "tag": "VIP",
            "when": {"field": "total_spent", "op": "at_least", "value": 10000000},
        }
    ],
}
CONTENT: Final = "5f2c1d7be6f3f6b0a4b8d93c3a9e7d1f0c6b5a49382716f5e4d3c2b1a0998877"
VERSION: Final[dict[str, Any]] = {
    "number": 42,
    "content": CONTENT,
    "author": "an",
    "note": "Hạ ngưỡng VIP cho Tết 2027",
    "at_ms": 1795150800000,
    "parent": 41,
    "preview": {"customers": 100000, "touched": 4012, "added": 4012, "removed": 0, "calls": 4093, "seconds": 1023},
}  # fmt: skip
RUN: Final[dict[str, Any]] = {
    "id": "P17",
    "kind": "publish",
    "by": "an",
    "reason": "Hạ ngưỡng VIP cho Tết 2027",
    "started_ms": 1795150801000,
    "total": 4012,
    "left": 3200,
    "done": 812,
    "failed": 0,
    "added": 812,
    "removed": 0,
    "ended": "",
}
PREVIEW: Final[dict[str, Any]] = {
    "customers": 100000,
    "touched": 4012,
    "adding": 4012,
    "removing": 0,
    "added": 4012,
    "removed": 0,
    "tags": [
        {
            "tag": "VIP",
            "rules": ["vip"],
            "added": 4012,
            "removed": 0,
            "unchanged": 18809,
            "kept": 0,
            "downgrade": 0,
            "not_ours": 312,
            "left": 0,
            "excluded": 0,
            "stopped": 0,
            "samples": {"added": [1037889951, 1037890001]},
        }
    ],
    "tiers": [],
    "matched": {"vip": 22821},
    "parent": 41,
    "effort": {"calls": 4093, "seconds": 1023},
    "guard": {"needs_approval": False, "why": [], "most_customers": 5000, "most_removed": 2000},
    "unseen": 0,
    "changes": ["~ Khách VIP (đã sửa)"],
    "warnings": [],
    "shadow": False,
}
PUBLISHED: Final[dict[str, Any]] = {"version": VERSION, "run": RUN, "shadow": False}
CLAIM: Final[dict[str, Any]] = {
    "tag": "VIP",
    "customers": 312,
    "samples": [1037889951, 1037890001],
    "run": None,
}
