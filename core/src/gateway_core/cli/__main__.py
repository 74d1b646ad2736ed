"""`python -m gateway_core.cli` is `gateway`, for where scripts are not on the path."""

from gateway_core.cli import main

main()
