"""The processes of a benchmark: where they run, what they cost, how they are started and ended."""

import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Process", "describe_machine", "free_port", "pin"]

HERE = Path(__file__).parent
_TICK = os.sysconf("SC_CLK_TCK")


def pin(core: int) -> None:
    """Keep this process on one core, where the machine has it and the system allows it."""
    if hasattr(os, "sched_setaffinity") and core in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {core})


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def describe_machine() -> str:
    """Processor, cores, system and Python in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    cores = os.cpu_count()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    load = f"load {os.getloadavg()[0]:.1f}"
    return f"{model}, {cores} cores, {platform.system()} {platform.release()}, {python}, {load}"


class Process:
    """A script of this folder in a process of its own; terminated on leaving."""

    def __init__(self, script: str, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.started = time.perf_counter()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / script), *arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **(env or {})},
        )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to end and wait for that."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def line(self) -> str:
        """The next line it prints; raises when it ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self.check()
        return line.strip()

    def check(self) -> None:
        """Raise `RuntimeError` with its last words when it has ended."""
        status = self._process.poll()
        if status is not None:
            self._errors.seek(0)
            words = self._errors.read().decode(errors="replace")[-4000:]
            raise RuntimeError(f"{self._process.args!r} ended with status {status}:\n{words}")

    def cpu_seconds(self) -> float:
        """Processor time of all its threads, user and system."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def memory_mb(self, field: str = "VmRSS") -> float:
        """Resident memory now, or its peak with `VmHWM`."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        kilobytes = status.partition(f"{field}:")[2].split()[0]
        return int(kilobytes) / 1024
