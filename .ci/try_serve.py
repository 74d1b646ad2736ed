"""Runs the README's serve line as a user does: start it, paste the printed curl line, Ctrl-C.

`python3 .ci/try_serve.py LINE HOME`, with an empty folder as home. Only the standard library.
"""

# ruff: noqa: T201 - it talks to whoever reads the log

import os
import signal
import subprocess
import sys
import threading

START_SECONDS = 300  # the first start installs everything
STOP_SECONDS = 20


def main(line: str, home: str) -> int:
    """The exit code: 0 when all went as the README says."""
    environment = {**os.environ, "GATEWAY_HOME": home, "GATEWAY_BIND": "127.0.0.1:0"}
    server = subprocess.Popen(
        ["bash", "-c", line],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a terminal sends Ctrl-C to the whole group
    )
    watchdog = threading.Timer(START_SECONDS, os.killpg, (server.pid, signal.SIGKILL))
    watchdog.start()
    try:
        curl = _read_curl_line(server)
        answer = subprocess.run(
            ["bash", "-c", f"{curl} --silent --show-error --fail --max-time 30"],
            capture_output=True,
            text=True,
            check=False,
        )
        print(f"$ curl ...\n{answer.stdout}{answer.stderr}")
        if answer.returncode != 0 or '"chat.completion"' not in answer.stdout:
            return _complain("the printed curl line did not get an answer")
        os.killpg(server.pid, signal.SIGINT)
        code = server.wait(STOP_SECONDS)
        if code not in (0, 128 + signal.SIGINT, -signal.SIGINT):
            return _complain(f"Ctrl-C ended it with exit code {code}")
    finally:
        watchdog.cancel()
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
    print(f"stopped by Ctrl-C with exit code {code}")
    return 0


def _read_curl_line(server: "subprocess.Popen[str]") -> str:
    """The curl line of the banner, once the server says that it is ready."""
    curl = ""
    assert server.stdout is not None
    for line in server.stdout:
        print(line, end="", flush=True)
        if line.strip().startswith("curl "):
            curl = line.strip()
        if "Ctrl-C" in line:
            break
    if not curl:
        raise SystemExit(_complain("it did not start, or printed no curl line"))
    return curl


def _complain(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
