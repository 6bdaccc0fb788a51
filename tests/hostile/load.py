"""`python -m tests.hostile.load`: signed webhooks beside anonymous clients, over loopback. It ends by itself.

500 signed webhooks a second, in turns alone and beside 1,000 half-sent anonymous requests and 1,000 pipelined anonymous
requests a second. A half-sent request whose connection the server closes is sent again after a second. A duration counts
from the moment when its webhook was due. The anonymous clients are a process of the lowest priority, so that on a machine
with few cores they take no CPU time from the sender and the server that are measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Annotated, Final

import typer
import uvloop

from tests.bench.load import Run, open_loop, requests
from tests.bench.report import percentile
from tests.bench.servers import valkey, web

PER_S: Final = 500
HALF_SENT: Final = 1_000
PIPELINED_PER_S: Final = 1_000
PIPELINE: Final = 10  # requests in one packet
RETRY_S: Final = 1.0
WARM_UP_S: Final = 2.0  # of the anonymous clients
MAX_RATIO: Final = 3.0

HEAD: Final = b"POST /webhooks/haravan HTTP/1.1\r\nHost: x\r\nX-Haravan-Org-Id: 1000000001\r\n"
HALVES: Final = (
    HEAD,
    HEAD + b"Content-Length: 1000\r\n\r\n{",
    HEAD + b"X-Haravan-HmacSha256: " + b"A" * 43 + b"=\r\nContent-Length: 1000\r\n\r\n{",
)
WHOLE: Final = (
    b"GET /ops/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n",
    HEAD + b"Content-Length: 2\r\n\r\n{}",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    HEAD + b"X-Haravan-HmacSha256: " + b"A" * 43 + b"=\r\nContent-Length: 2\r\n\r\n{}",
)


async def hold_half_sent(port: int, half: bytes, until: float, counts: Counter[str]) -> None:
    """Keep one request half sent, over a new connection whenever the server closes it."""
    while monotonic() < until:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(max(0.0, until - monotonic())):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                counts["half-sent requests"] += 1
                writer.write(half)
                try:
                    while await reader.read(65_536):
                        pass
                finally:
                    writer.close()
        await asyncio.sleep(min(RETRY_S, max(0.0, until - monotonic())))


async def send_pipelined(port: int, until: float, counts: Counter[str], *, delay_s: float) -> None:
    """Send `PIPELINE` requests ten times a second, and read what is answered. The first after `delay_s`."""
    await asyncio.sleep(delay_s)
    packet = b"".join(next(kinds) for kinds in [cycle(WHOLE)] for _ in range(PIPELINE))
    while monotonic() < until:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(max(0.0, until - monotonic())):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                reading = asyncio.create_task(_read_all(reader))
                try:
                    while not (reading.done() or writer.is_closing()):
                        writer.write(packet)
                        counts["pipelined requests"] += PIPELINE
                        await asyncio.sleep(0.1)
                finally:
                    reading.cancel()
                    writer.close()


async def _read_all(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(65_536):
            pass


async def attack(port: int, seconds: float) -> Counter[str]:
    """All anonymous clients for some seconds; what they sent."""
    until = monotonic() + seconds
    counts: Counter[str] = Counter()
    halves = cycle(HALVES)
    pipelines = PIPELINED_PER_S // PIPELINE // 10
    await asyncio.gather(
        *(hold_half_sent(port, next(halves), until, counts) for _ in range(HALF_SENT)),
        *(send_pipelined(port, until, counts, delay_s=0.1 * n / pipelines) for n in range(pipelines)),
    )
    return counts


async def measure(port: int, ready: list[bytes], *, beside_attack: bool) -> tuple[Run, str]:
    """The signed webhooks of one round, and what the anonymous clients sent meanwhile."""
    if not beside_attack:
        return await open_loop(port, ready, per_s=PER_S), ""
    seconds = len(ready) / PER_S + 2 * WARM_UP_S
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.hostile.load", "--attack", str(port), "--seconds", str(seconds),
        stdout=subprocess.PIPE,
    )  # fmt: skip
    await asyncio.sleep(WARM_UP_S)
    run = await open_loop(port, ready, per_s=PER_S)
    output, _ = await process.communicate()
    return run, output.decode().strip()


def cpu_s(pid: int) -> float:
    """The CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(
    *,
    rounds: int = 5,
    seconds: Annotated[float, typer.Option(help="Of signed webhooks in each round.")] = 8.0,
    attack_port: Annotated[
        int, typer.Option("--attack", help="Only send the anonymous requests to this port.")
    ] = 0,
) -> None:
    """Measure the p99 of signed webhooks with and without anonymous clients, in turns."""
    if attack_port:
        os.nice(19)
        print(json.dumps(uvloop.run(attack(attack_port, seconds))))
        return
    p99: dict[bool, list[float]] = {False: [], True: []}
    errors = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey(Path(folder)) as url,
        web(url, variant="ours") as (port, process),
    ):
        size = int(PER_S * seconds)
        uvloop.run(measure(port, list(requests(size)), beside_attack=False))  # warm up
        for number in range(2 * rounds):
            beside = number % 2 == 1
            ready = list(requests(size, start=(number + 1) * size))
            before_s = cpu_s(process.pid)
            run, sent = uvloop.run(measure(port, ready, beside_attack=beside))
            errors += run.errors
            p99[beside].append(percentile(run.durations_s, 0.99) * 1000)
            name = "beside anonymous clients" if beside else "alone"
            busy = (cpu_s(process.pid) - before_s) / (run.span_s + (2 * WARM_UP_S if beside else 0))
            print(
                f"{name}: p50 {percentile(run.durations_s, 0.5) * 1000:.2f} ms, p99 {p99[beside][-1]:.2f} ms, {run.errors} errors,"
                f" web process {busy:.0%} of a core {sent}",
                flush=True,
            )
    ratio = median(p99[True]) / median(p99[False])
    passed = ratio <= MAX_RATIO and not errors
    print(
        f"p99 of signed webhooks: {median(p99[False]):.2f} ms alone, {median(p99[True]):.2f} ms beside anonymous clients, "
        f"ratio {ratio:.2f}, {errors} errors; bar {MAX_RATIO}: {'pass' if passed else 'FAIL'}"
    )
    raise typer.Exit(0 if passed else 1)


if __name__ == "__main__":
    typer.run(main)
