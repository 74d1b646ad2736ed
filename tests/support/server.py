"""The real application on a real socket, as the conformance kit offers it."""

from gateway_core.testing.server import KEY, Gateway, running_gateway

__all__ = ["KEY", "Gateway", "running_gateway"]
