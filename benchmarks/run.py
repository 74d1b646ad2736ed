"""Measure the gateway beside a direct call to the same scripted upstream.

    python benchmarks/run.py [--quick] [--json] [--profile SCENARIO]

Everything runs on loopback. The gateway has core 0 to itself; upstream and client share core 1.
Prints medians over the rounds beside the targets and never fails because of them.
"""

import argparse
import asyncio
import json
import pstats
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bodies import claude_code_body, small_body
from load import Connection, Delays, Target, stream_paced
from processes import Process, describe_machine, free_port, pin

KB = 1000
GATEWAY_CORE, OTHERS_CORE = 0, 1
STREAMS = 64
PACE_MS = 20
DIRECT_DELTA = b"response.output_text.delta"
GATEWAY_DELTA = b"text_delta"


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, pairs of requests per size, seconds per scenario."""

    rounds: int
    pairs: int
    seconds: float

    @property
    def paced_events(self) -> int:
        """Events per paced stream."""
        return int(self.seconds * 1000 / PACE_MS)


FULL = Effort(rounds=5, pairs=60, seconds=4.0)
QUICK = Effort(rounds=2, pairs=30, seconds=2.0)


@dataclass(frozen=True)
class Row:
    """One line of the report; figures of the same unit."""

    what: str
    unit: str
    direct: float | None
    gateway: float
    target: str


@dataclass
class Bench:
    """A running pair of gateway and upstream."""

    gateway: Process
    gateway_port: int
    upstream_port: int

    def through(self) -> Target:
        """The gateway's Anthropic endpoint."""
        return Target(self.gateway_port, "/v1/messages?beta=true", GATEWAY_DELTA)

    def direct(self, scenario: str) -> Target:
        """The upstream itself."""
        return Target(self.upstream_port, f"/{scenario.replace('-', '/')}", DIRECT_DELTA)


@contextmanager
def upstream_running() -> Iterator[int]:
    """The scripted upstream's port."""
    with Process("scripted_upstream.py", str(OTHERS_CORE)) as upstream:
        yield int(upstream.line())


@contextmanager
def gateway_running(upstream_port: int, *profile: str) -> Iterator[Bench]:
    """A gateway that has just been started and may not listen yet."""
    port = free_port()
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        arguments = (str(GATEWAY_CORE), str(port), str(upstream_port), *profile)
        # Byte code is kept, as it is after the first start of an installed gateway.
        byte_code = str(Path(tempfile.gettempdir(), "gateway-benchmark-bytecode"))
        env = {
            "GATEWAY_HOME": home,
            "GATEWAY_PLUGINS": "bench",  # the benchmark's own provider; no installed plugin counts
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": byte_code,
        }
        gateway = stack.enter_context(Process("gateway_process.py", *arguments, env=env))
        yield Bench(gateway, port, upstream_port)


def first_answer(bench: Bench) -> float:
    """Milliseconds from the start of the process to the end of its first answer."""
    target = bench.through()
    while True:
        try:
            connection = Connection(target)
            break
        except ConnectionRefusedError:
            bench.gateway.check()
            time.sleep(0.002)
    connection.exchange(target.request(small_body("bench/led-20")))
    connection.close()
    return (time.perf_counter() - bench.gateway.started) * 1000


def first_delta(bench: Bench, make_body: Callable[[str], bytes], pairs: int) -> tuple[float, float]:
    """Median milliseconds to the first delta, direct and through the gateway, in turns."""
    body = make_body("bench/led-20")
    targets = (bench.direct("led-20"), bench.through())
    connections = [Connection(target) for target in targets]
    requests = [target.request(body) for target in targets]
    samples: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs + 3):
        for connection, request, times in zip(connections, requests, samples, strict=True):
            seconds, _ = connection.exchange(request)
            if number >= 3:
                times.append(seconds * 1000)
    for connection in connections:
        connection.close()
    return statistics.median(samples[0]), statistics.median(samples[1])


def one_at_a_time(target: Target, scenario: str, seconds: float) -> tuple[float, int]:
    """Requests one after the other for some seconds: elapsed seconds and number of answers."""
    request = target.request(claude_code_body(f"bench/{scenario}", 160 * KB))
    connection = Connection(target)
    for _ in range(5):
        connection.exchange(request)
    answers = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        connection.exchange(request)
        answers += 1
    elapsed = time.perf_counter() - began
    connection.close()
    return elapsed, answers


def bursts(bench: Bench, events: int, seconds: float) -> tuple[float, float, float]:
    """Events per second direct and through the gateway, and its CPU seconds per 100,000 events."""
    scenario = f"burst-{events}"
    elapsed, answers = one_at_a_time(bench.direct(scenario), scenario, seconds / 3)
    direct = answers * events / elapsed
    before = bench.gateway.cpu_seconds()
    elapsed, answers = one_at_a_time(bench.through(), scenario, seconds)
    cpu = bench.gateway.cpu_seconds() - before
    return direct, answers * events / elapsed, cpu / ((answers + 5) * events) * 100_000


@dataclass(frozen=True)
class Paced:
    """What paced streams showed. Delays in milliseconds."""

    p50: float
    p99: float
    cpu: float


def paced(bench: Bench, target: Target, events: int) -> Paced:
    """Streams at once, each with an event every `PACE_MS`; measured once all have begun."""
    body = claude_code_body(f"bench/paced-{events}-{PACE_MS}", 160 * KB)
    before = 0.0

    def begin() -> None:
        nonlocal before
        before = bench.gateway.cpu_seconds()

    delays = Delays(STREAMS, begin)
    asyncio.run(stream_paced(target, body, delays))
    cpu = bench.gateway.cpu_seconds() - before
    return Paced(
        delays.percentile(50) * 1000,
        delays.percentile(99) * 1000,
        cpu / len(delays.seconds) * 100_000,
    )


def measure(effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """Every scenario, each the median over the rounds."""
    median = statistics.median
    starts, idles, loads = [], [], []
    added: dict[str, list[tuple[float, float]]] = {}
    rates: dict[int, list[tuple[float, float, float]]] = {200: [], 2000: []}
    direct_paced, gateway_paced = [], []
    with upstream_running() as upstream:
        with gateway_running(upstream) as bench:
            first_answer(bench)  # writes the byte code
        for number in range(effort.rounds):
            say(f"round {number + 1} of {effort.rounds}")
            with gateway_running(upstream) as bench:
                starts.append(first_answer(bench))
                idles.append(bench.gateway.memory_mb())
                for name, make_body in SIZES.items():
                    pair = first_delta(bench, make_body, effort.pairs)
                    added.setdefault(name, []).append(pair)
                for events, found in rates.items():
                    found.append(bursts(bench, events, effort.seconds))
                scenario = f"paced-{effort.paced_events}-{PACE_MS}"
                direct_paced.append(paced(bench, bench.direct(scenario), effort.paced_events))
                gateway_paced.append(paced(bench, bench.through(), effort.paced_events))
                loads.append(bench.gateway.memory_mb("VmHWM"))
    rows = []
    for name, pairs in added.items():
        direct, gateway = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        rows.append(Row(f"first delta, {name} body", "ms", direct, gateway, ""))
        rows.append(Row(f"  added, {name} body", "ms", None, gateway - direct, ADDED_TARGETS[name]))
    for events, found in rates.items():
        direct, gateway = median(each[0] for each in found), median(each[1] for each in found)
        target = "> 45,000" if events == 200 else ""
        rows.append(Row(f"events, bursts of {events}", "/s", direct, gateway, target))
        target = "< 2.0" if events == 200 else ""
        cpu = median(each[2] for each in found)
        rows.append(Row("  CPU per 100,000 events", "s", None, cpu, target))
    what = f"{STREAMS} streams, an event every {PACE_MS} ms"
    for label, field in (("delay p50", "p50"), ("delay p99", "p99")):
        direct = median(getattr(each, field) for each in direct_paced)
        gateway = median(getattr(each, field) for each in gateway_paced)
        rows.append(Row(f"{what}: {label}", "ms", direct, gateway, ""))
    cpu = median(each.cpu for each in gateway_paced)
    rows.append(Row("  CPU per 100,000 events", "s", None, cpu, ""))
    rows.append(Row("memory after the first answer", "MB", None, median(idles), "< 90"))
    rows.append(Row(f"memory, peak with {STREAMS} streams", "MB", None, median(loads), "< 150"))
    rows.append(Row("start to first answer", "ms", None, median(starts), "< 1,000"))
    return rows


SIZES: dict[str, Callable[[str], bytes]] = {
    "1 KB": small_body,
    "160 KB": lambda model: claude_code_body(model, 160 * KB),
    "1 MB": lambda model: claude_code_body(model, 1000 * KB),
}
ADDED_TARGETS = {"1 KB": "", "160 KB": "< 3", "1 MB": "< 10"}


def report(rows: list[Row]) -> str:
    """The table for people."""
    lines = [f"{'':52} {'unit':>4} {'direct':>10} {'gateway':>10} {'target':>10}"]
    for row in rows:
        direct = "" if row.direct is None else figure(row.direct)
        gateway = figure(row.gateway)
        lines.append(f"{row.what:52} {row.unit:>4} {direct:>10} {gateway:>10} {row.target:>10}")
    return "\n".join(lines)


def figure(value: float) -> str:
    """Three digits that matter."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def profile(scenario: str, seconds: float) -> None:
    """Run one scenario against a profiled gateway and print where its time went."""
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "profile"))
        with upstream_running() as upstream, gateway_running(upstream, file) as bench:
            for _ in range(20):
                first_answer(bench)
            bench.gateway.signal(signal.SIGUSR1)
            if scenario.startswith("paced"):
                paced(bench, bench.through(), int(seconds * 1000 / PACE_MS))
            else:
                elapsed, answers = one_at_a_time(bench.through(), scenario, seconds)
                print(f"{answers} answers in {elapsed:.1f} s")
        for order in ("tottime", "cumulative"):
            pstats.Stats(file).sort_stats(order).print_stats(45)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under a minute, rougher")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--profile",
        metavar="SCENARIO",
        help="profile the gateway instead: burst-200, burst-2000, led-20 or paced",
    )
    arguments = parser.parse_args()
    pin(OTHERS_CORE)
    effort = QUICK if arguments.quick else FULL
    if arguments.profile:
        profile(arguments.profile, effort.seconds)
        return
    machine = describe_machine()
    rows = measure(effort, lambda text: print(text, file=sys.stderr, flush=True))
    if arguments.json:
        figures = [vars(row) for row in rows]
        print(json.dumps({"machine": machine, "quick": arguments.quick, "rows": figures}, indent=1))
    else:
        print(f"{machine}\n\n{report(rows)}")


if __name__ == "__main__":
    main()
