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
    "deploy/test_files.py": "settings",
    "domain/customers/test_records.py": "domain.customers.customer",
    "domain/decisions/test_decide.py": "domain.customers.tags domain.decisions.state domain.engine.evidence",
    "domain/decisions/test_decide_tag.py": "domain.decisions.builder domain.decisions.decide_tier",
    "domain/documents/test_parser.py": "domain.documents.consistency domain.documents.validation domain.documents.yaml_source domain.rules.document domain.rules.scalars",
    "domain/engine/test_codegen.py": "domain.engine.compiled domain.engine.compiler",
    "domain/engine/test_predicates.py": "domain.engine.facts",
    "domain/rules/test_operators.py": "domain.rules.conditions domain.rules.fields",
    "domain/test_coming.py": "domain.preview.boundaries",
    "domain/test_differences.py": "domain.preview.diff",
    "domain/test_explanation.py": "domain.explain.gap domain.explain.trace domain.explain.trace_text",
    "domain/test_explanation_customer.py": "domain.explain.customer domain.explain.data domain.explain.model domain.explain.text",
    "domain/test_ownership.py": "domain.rules.inheritance",
    "domain/test_preview.py": "domain.preview.impact domain.preview.population",
    "domain/test_sentences.py": "domain.explain.sentences domain.explain.wording",
    "domain/test_warnings.py": "domain.preview.lint",
    "ingest/test_group_commit.py": "ingest.writer",
    "store/client/test_scripts.py": "store.client.keys",
    "store/test_bucket.py": "store.queue.rate_limiter",
    "store/test_deliveries.py": "store.history.deliveries",
    "store/test_dirty_property.py": "store.queue.settlement",
    "store/test_durability.py": "store.client.durability",
    "store/test_forgetting.py": "store.history.ledger",
    "store/test_happenings.py": "operations.explain_text",
    "store/test_marks.py": "store.queue.dirty store.queue.lease",
    "store/test_previews.py": "publishing.preview store.customers.stored_state",
    "store/test_sentinels.py": "store.client.sentinel",
    "store/test_shops.py": "store.shops.model store.shops.repository",
    "store/test_stepping.py": "operations.replay store.jobs.runs store.queue.dead_letters",
    "store/test_versions.py": "store.rules",
    "test_log.py": "runtime.log",
    "web/test_edge.py": "web.access_log",
    "web/test_health.py": "store.jobs.worker_metrics store.queue.stats web.metrics",
    "web/test_ops.py": "web.ops.deliveries web.ops.requests web.ops.runs web.ops.shops web.problems",
    "web/test_ops_document.py": "web.ops.openapi web.ops.routes",
    "web/test_ops_explain.py": "operations.explain",
    "web/test_ops_rules.py": "publishing.draft web.ops.rules web.ops.tags web.ops.versions",
    "web/test_serve.py": "app",
    "web/webhooks/test_rejections.py": "alerts web.webhooks.metrics",
    "workers/haravan/test_dialects.py": "workers.haravan.dialects.admin workers.haravan.dialects.base workers.haravan.dialects.omni",
    "workers/haravan/test_errors.py": "errors",
    "workers/periodic/test_nightly.py": "store.jobs.nightly",
    "workers/periodic/test_pending_jobs.py": "store.jobs.pending",
    "workers/periodic/test_uninstall.py": "store.shops.deletion",
    "workers/test_claims.py": "operations.claiming operations.claims",
    "workers/test_drain.py": "workers.drain.context workers.drain.job workers.drain.log workers.drain.settlement",
    "workers/test_faults_of_reading.py": "workers.drain.fetcher workers.drain.reader",
    "workers/test_faults_of_writing.py": "workers.drain.permits workers.drain.writer",
    "workers/test_publishing.py": "operations.exclusions publishing.publish publishing.rollout",
    "workers/test_restoring.py": "publishing.rollback",
    "workers/test_shadow.py": "publishing.shadow",
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
