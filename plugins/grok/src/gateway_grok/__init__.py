"""gateway-grok: xAI Grok subscriptions through the hosts that Grok's own programs use."""
