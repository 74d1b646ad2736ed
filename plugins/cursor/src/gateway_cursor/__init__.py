"""gateway-cursor: Cursor subscriptions through the agent service that Cursor's own CLI uses."""
