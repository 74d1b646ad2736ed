"""Credentials: how they are stored, kept fresh and obtained."""
