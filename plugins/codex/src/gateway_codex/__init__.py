"""gateway-codex: ChatGPT subscriptions through the backend that Codex uses."""
