"""gateway-kimi: Kimi Code subscriptions through the API that Kimi's own programs use."""
