"""A process that dies whenever it reads one customer's record: `python -m tests.workers.poisoned_worker CUSTOMER …`.

The rest of the command line is `worker` for a worker process, `bench-worker` for that of the benchmarks, or the
arguments of `tagger`.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import workers.haravan.decoding
from service.domain.customers.records import parse_record

EXIT_CODE: Final = 7


def die_at(customer: int) -> None:
    """Kill this process when it reads the customer's record."""

    def parse(raw: Any) -> Any:
        record = parse_record(raw)
        if record.customer.id == customer:
            os._exit(EXIT_CODE)
        return record

    setattr(workers.haravan.decoding, "parse_record", parse)  # noqa: B010  # mypy refuses an assignment


def main() -> None:
    """Run the program."""
    _, customer, program, *arguments = sys.argv
    die_at(int(customer))
    if program == "worker":
        from workers.__main__ import main as run_worker

        sys.exit(run_worker())
    if program == "bench-worker":
        import uvloop

        from tests.bench.worker import run as run_bench_worker

        uvloop.run(run_bench_worker())
        return
    from deploy.cli.app import run_command

    run_command([program, *arguments])


if __name__ == "__main__":
    main()
