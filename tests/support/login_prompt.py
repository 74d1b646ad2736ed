"""The person at the login prompt that the conformance kit has, for our own tests too."""

from gateway_core.testing.prompt import ScriptedPrompt

__all__ = ["ScriptedPrompt"]
