"""The gateway under measurement: what `gateway serve` runs, with the benchmark provider added.

Arguments: core to run on, port to listen on, port of the scripted upstream, and optionally a file
to write a profile to. Serves without a local key until it is terminated. The profile starts with
SIGUSR1, so that start-up and first use are not in it.
"""

import asyncio
import cProfile
import signal
import sys

from processes import pin


async def serve(port: int, upstream: int) -> None:
    """Serve until SIGTERM."""
    from bench_provider import BenchProvider

    from gateway_core.addresses import Address
    from gateway_core.app import create_app
    from gateway_core.cli.server import Server, listen, settle
    from gateway_core.logs import configure_logging
    from gateway_core.runtime import Runtime
    from gateway_core.settings import load_settings

    settings = load_settings()
    configure_logging(settings)
    listener = listen(Address("127.0.0.1", port))
    async with Runtime(settings, extra_plugins=[BenchProvider(upstream)]) as runtime:

        async def ready() -> None:
            settle()

        await Server(create_app(runtime, key=None), on_ready=ready).serve([listener])


def main() -> None:
    """Serve on the loop that the command line takes."""
    from gateway_core.cli.server import loop_factory

    core, port, upstream, *profile = sys.argv[1:]
    pin(int(core))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        if not profile:
            runner.run(serve(int(port), int(upstream)))
            return
        profiler = cProfile.Profile()
        runner.get_loop().add_signal_handler(signal.SIGUSR1, profiler.enable)
        runner.run(serve(int(port), int(upstream)))
        profiler.disable()
        profiler.dump_stats(profile[0])


if __name__ == "__main__":
    main()
