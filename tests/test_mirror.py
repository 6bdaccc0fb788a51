"""The test of a module is found by name: `service/a/b.py` has `tests/a/test_b.py`, `workers/a/b.py` has `tests/workers/a/test_b.py`.

A module that is tested together with others is listed here with the tests that cover it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
MAX_LINES: Final = 60  # a shorter module needs no tests of its own

# tests -> the modules that they cover; paths below tests/, and modules without `service.`
COVERED_BY: Final = {
    "workers/events/test_delivery.py": "operations.events.endpoints store.events.endpoints store.events.outbox",
    "backup/test_file.py": "backup.records",
    "backup/test_restore.py": "backup.write store.backup.reading store.backup.staging",
    "domain/customers/test_records.py": "domain.customers.customer domain.customers.tags",
    "domain/decisions/test_decide_tag.py": "domain.decisions.builder",
    "deploy/cli/commands/test_tokens.py": "operations.access.tokens",
    "deploy/test_rules_docs.py": "domain.documents.reference domain.documents.schema",
    "domain/documents/test_parser.py": "domain.documents.errors domain.rules.document domain.rules.scalars",
    "domain/engine/test_codegen.py": "domain.engine.compiled domain.engine.compiler",
    "domain/engine/test_predicates.py": "domain.engine.evidence domain.engine.facts",
    "domain/explain/test_customer.py": "domain.explain.model",
    "domain/explain/test_sentences.py": "domain.explain.wording",
    "domain/preview/test_impact.py": "domain.preview.population",
    "domain/rules/test_operators.py": "domain.rules.conditions domain.rules.fields",
    "ingest/test_group_commit.py": "ingest.lane ingest.writer",
    "web/pages/editors/test_editing.py": "publishing.editor.copies publishing.editor.inspection publishing.editor.try_customer web.pages.editors.entry web.pages.editors.nodes",
    "web/pages/editors/test_drafts.py": "publishing.editor.comparison store.working_copies",
    "web/pages/editors/test_source.py": "publishing.editor.source",
    "web/pages/rules/test_listing.py": "publishing.editor.draft_rules publishing.editor.summary",
    "web/pages/publishing/test_review.py": "publishing.review.effects publishing.review.submit publishing.editor.warm",
    "web/pages/publishing/test_working.py": "publishing.review.tasks store.tasks",
    "settings/test_settings.py": "settings.reader",
    "publishing/test_freeze.py": "store.shops.freeze",
    "publishing/test_scheduled.py": "store.scheduled",
    "publishing/test_preview.py": "publishing.draft store.customers.state",
    "doctor/test_diagnose.py": "doctor.shop_judgement store.shop_facts",
    "doctor/test_service_judgement.py": "doctor.findings",
    "store/move/test_move.py": "store.move.changes store.move.copying store.move.fence store.move.marks",
    "store/topology/test_status.py": "store.topology.members",
    "store/servers/test_router.py": "store.servers.client store.servers.pipeline",
    "store/client/test_scan.py": "store.jobs.runs",
    "system/test_server_away.py": "store.client.clock",
    "store/client/test_scripts.py": "store.client.keys",
    "store/customers/test_sealed_snapshots.py": "store.customers.snapshots",
    "store/history/test_retention.py": "store.history.ledger",
    "store/queue/test_dirty_property.py": "store.queue.lease store.queue.settlement",
    "store/shops/test_repository.py": "store.shops.deletion store.shops.model store.shops.stored_form",
    "test_app.py": "web.access_log",
    "web/ops/activity/test_deliveries.py": "store.queue.dead_letters web.ops.activity.dead_letters web.ops.activity.filters",
    "workers/periodic/test_haravan_jobs.py": "operations.scans",
    "web/ops/contract/test_idempotency.py": "store.access.answers",
    "web/ops/test_routes.py": "web.ops.intake",
    "operations/test_replay.py": "store.jobs.replays",
    "deploy/demonstration/test_history.py": "store.past",
    "web/ops/activity/test_runs.py": "web.ops.contract.requests web.problems.problem",
    "web/pages/customers/test_explain.py": "web.pages.customers.explanation",
    "web/metrics/test_exposition.py": "store.queue.stats web.metrics.gauges",
    "web/metrics/test_shared.py": "store.jobs.shared_metrics",
    "web/pages/shell/test_respond.py": "web.pages.shell.page",
    "web/webhooks/test_rejections.py": "alerts web.webhooks.metrics",
    "workers/drain/test_settlement.py": "store.history.drift",
    "workers/haravan/test_dialects.py": "workers.haravan.dialects.admin workers.haravan.dialects.base workers.haravan.dialects.omni",
    "workers/haravan/test_errors.py": "errors",
    "operations/customers/test_personal_data.py": "store.history.drift",
    "workers/periodic/test_housekeeping.py": "store.customers.snapshots",
    "workers/periodic/test_nightly.py": "store.jobs.nightly",
    "workers/periodic/test_pending_jobs.py": "store.jobs.pending",
}


def _modules() -> Iterator[str]:
    """The modules that need tests, without `service.`."""
    for program in ("service", "workers"):
        for path in sorted((ROOT / program).rglob("*.py")):
            is_long = len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES
            if is_long and not path.name.startswith("__"):
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removeprefix("service.")


def _has_mirror(module: str) -> bool:
    *rooms, name = module.split(".")
    return (ROOT / "tests" / Path(*rooms) / f"test_{name}.py").is_file()


LISTED: Final = {module for modules in COVERED_BY.values() for module in modules.split()}


def test_every_module_has_tests_where_one_looks_for_them() -> None:
    assert [module for module in _modules() if not _has_mirror(module) and module not in LISTED] == []


def test_no_module_is_listed_without_need() -> None:
    modules = set(_modules())

    assert [module for module in sorted(LISTED) if module not in modules or _has_mirror(module)] == []


def test_the_listed_tests_exist() -> None:
    assert [path for path in COVERED_BY if not (ROOT / "tests" / path).exists()] == []
