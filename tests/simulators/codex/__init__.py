"""A simulator of the ChatGPT Codex backend and of the service that its logins come from."""
