"""Examples for the OpenAPI document: what may be asked, what is answered, and how a refusal looks."""

from __future__ import annotations

from typing import Any, Final

from service.web.ops.rule_examples import CLAIM, CONTENT, PREVIEW, PUBLISHED, RULES, RULES_TEXT, RUN, VERSION

SHOP: Final[dict[str, Any]] = {
    "org": "1000000001",
    "name": "Cửa hàng mẫu",
    "dialect": "omni",
    "api_url": "https://apis.haravan.com/com",
    "timezone": "Asia/Ho_Chi_Minh",
    "currency": "VND",
    "reserve": 0,
    "shadow": False,
    "paused": "",
    "paused_since_ms": 0,
    "paused_by": "",
    "removals_paused": "",
    "due": {"live": 2, "bulk": 3200, "planned": 12, "later": 0},
    "oldest_due_s": 0.41,
    "dead_letters": 1,
    "bucket_level": 31.5,
}
DELIVERY: Final[dict[str, Any]] = {
    "id": "1795150800000-0.0",
    "at_ms": 1795150800000,
    "customer": 1037889951,
    "outcome": "marked",
    "repeat": False,
    "topic": "orders/paid",
    "sha256": CONTENT,
    "size": 4211,
    "test": False,
    "org": "",
}
LETTER: Final[dict[str, Any]] = {
    "customer": 1037890001,
    "cause": "rejected",
    "text": "422: tag is too long",
    "first_ms": 1795150800000,
    "last_ms": 1795154400000,
    "count": 3,
    "transient": False,
}
EXPLAINED: Final[dict[str, Any]] = {
    "customer": 1037889951,
    "day": "2026-11-22",
    "version": 42,
    "tags": [{"tag": "Khách sỉ", "whose": "others", "leaves": False, "since_ms": 1795150800000}],
    "add": [],
    "remove": [],
    "next_change": None,
    "rules": [
        {
            "id": "vip",
            "name": "Khách VIP",
            "tag": "VIP",
            "state": "none",
            "text": "Không khớp",
            "until": None,
            "since": None,
            "when": {
                "field": "total_spent",
                "op": "at_least",
                "expected": 100000000000,  # ten-thousandths, as all amounts
                "actual": 96600000000,
                "matched": False,
                "distance": {"way": "lacks", "amount": 3400000000},
                "text": "✘ Tổng chi tiêu từ 10.000.000 ₫ trở lên (đang là 9.660.000 ₫, thiếu 340.000 ₫)",
                "next_change": None,
            },
            "coming": None,
        }
    ],
    "tiers": [],
    "excluded": [],
    "under_way": [],
    "stopped": [],
    "changed_by_others": [{"tag": "Khách sỉ", "added": True, "at_ms": 1795150800000}],
    "ledger": [],
    "dead_letters": [],
    "deliveries": [
        {"id": "1795150800000-0.0", "at_ms": 1795150800000, "topic": "orders/paid", "outcome": "marked"}
    ],
    "waiting": False,
    "shadow": False,
}

ASKED: Final[dict[str, dict[str, Any]]] = {  # operation -> what the example shows -> the body
    "pause": {"by hand": {"reason": "kiểm tra dữ liệu"}},
    "retry_dead_letters": {"everybody": {}, "some": {"customers": [1037889951]}},
    "start_replay": {
        "count first": {"since": "2026-11-22T08:00:00+07:00", "dry_run": True},
        "some customers": {"customers": [1037889951], "reason": "sau sự cố"},
    },
    "preview_rules": {
        "as text": {"rules": RULES_TEXT, "lang": "vi"},
        "as an object": {"rules": RULES},
    },
    "publish_rules": {
        "small": {"rules": RULES_TEXT, "note": "Hạ ngưỡng VIP cho Tết 2027"},
        "approved": {"rules": RULES, "note": "Hạ ngưỡng VIP", "approve": True, "parent": 41},
    },
    "roll_back_rules": {
        "look first": {"to": 41, "dry_run": True},
        "do it": {"to": 41, "note": "nhầm ngưỡng"},
    },
    "end_shadow": {"look first": {"dry_run": True}, "approved": {"approve": True}},
    "adopt_tag": {"count first": {"tag": "VIP", "matching_only": True, "dry_run": True}},
    "retract_tag": {"count first": {"tag": "VIP", "dry_run": True}, "do it": {"tag": "VIP"}},
    "exclude_customer": {"exclude": {"rule": "vip"}, "include again": {"rule": "vip", "undo": True}},
}

ANSWERED: Final[dict[str, Any]] = {  # operation -> an answer
    "list_shops": {"shops": [SHOP]},
    "shop_status": SHOP,
    "pause": SHOP | {"paused": "kiểm tra dữ liệu", "paused_since_ms": 1795150800000, "paused_by": "an"},
    "resume": SHOP,
    "begin_shadow": SHOP | {"shadow": True},
    "end_shadow": {"preview": None, "run": RUN | {"reason": "shadow mode ended"}, "shadow": False},
    "list_deliveries": {"deliveries": [DELIVERY], "before": "1795150800000-0.0"},
    "list_strangers": {
        "deliveries": [DELIVERY | {"org": "1000000009", "outcome": "ignored:unknown_shop"}],
        "before": None,
    },
    "list_dead_letters": {"dead_letters": [LETTER]},
    "retry_dead_letters": {"customers": 1},
    "drop_dead_letter": {"customers": 0},
    "start_replay": {
        "customers": 1204,
        "selection": "deliveries since 1795150800000",
        "run": RUN | {"id": "R16", "kind": "replay", "reason": "sau sự cố"},
    },
    "explain_customer": EXPLAINED,
    "run_status": RUN,
    "list_runs": {"runs": [RUN]},
    "show_answer": {"id": "5f2c1d7be6f3f6b0", "operation": "adopt_tag", "status": 202, "answer": None},
    "list_deeds": {
        "deeds": [
            {
                "at_ms": 1795150800000,
                "by": "an",
                "what": "publish",
                "about": {"version": 42, "touched": 4012, "approved": False},
            }
        ]
    },
    "show_rules": {"version": VERSION, "rules": RULES, "yaml": RULES_TEXT},
    "list_versions": {"versions": [VERSION]},
    "compare_versions": {
        "from": 41,
        "to": 42,
        "text": [
            "~ Khách VIP (đã sửa)",
            "  - Tổng chi tiêu từ 20.000.000 ₫ trở lên",
            "  + Tổng chi tiêu từ 10.000.000 ₫ trở lên",
        ],
        "rules": [
            {
                "id": "vip",
                "how": "changed",
                "title": "~ Khách VIP (đã sửa)",
                "lines": [
                    {"sign": "-", "text": "Tổng chi tiêu từ 20.000.000 ₫ trở lên"},
                    {"sign": "+", "text": "Tổng chi tiêu từ 10.000.000 ₫ trở lên"},
                ],
            }
        ],
        "yaml": "--- v41\n+++ v42\n@@ -5,1 +5,1 @@\n-  when: {field: total_spent, op: at_least, value: 20_000_000}\n"
        "+  when: {field: total_spent, op: at_least, value: 10_000_000}\n",
    },
    "preview_rules": PREVIEW,
    "publish_rules": PUBLISHED,
    "roll_back_rules": {"preview": None, "published": PUBLISHED},
    "adopt_tag": CLAIM | {"what": "adopt"},
    "retract_tag": CLAIM | {"what": "retract", "run": RUN | {"reason": "retract VIP"}},
    "exclude_customer": {
        "customer": 1037889951,
        "rule": "vip",
        "undo": False,
        "news": True,
        "add": [],
        "remove": ["VIP"],
    },
}

BAD_RULES: Final[dict[str, Any]] = {
    "type": "about:blank",
    "title": "Bad Request",
    "status": 400,
    "detail": "line 3, column 26  rules.0.when: unknown field 'total_spend'; did you mean 'total_spent'?",
    "problems": [
        {
            "line": 3,
            "column": 26,
            "path": "rules.0.when",
            "kind": "unknown_field",
            "message": "unknown field 'total_spend'; did you mean 'total_spent'?",
            "part": "field",
        }
    ],
}
NEEDS_APPROVAL: Final[dict[str, Any]] = {
    "type": "about:blank",
    "title": "Conflict",
    "status": 409,
    "detail": "this needs an approval: it touches 9870 of 100000 customers (more than 5000); look at the preview first",
    "approval": {
        "why": ["share"],
        "customers": 100000,
        "touched": 9870,
        "most_customers": 5000,
        "removed": 1798,
        "most_removed": 2000,
    },
}
FAULTED: Final[dict[tuple[str, int], dict[str, Any]]] = {  # (operation, status) -> the refusal
    ("preview_rules", 400): BAD_RULES,
    ("publish_rules", 400): BAD_RULES,
    ("publish_rules", 409): NEEDS_APPROVAL,
    ("roll_back_rules", 409): NEEDS_APPROVAL,
    ("end_shadow", 409): NEEDS_APPROVAL,
}
