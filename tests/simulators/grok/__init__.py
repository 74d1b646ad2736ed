"""A simulated xAI: its login service, the public API and the proxy of Grok's CLI."""
