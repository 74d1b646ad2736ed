"""Servers that behave as the vendors' backends do, strict enough to be believed."""
