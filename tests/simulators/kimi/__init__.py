"""A simulated Kimi Code, and what it shares with other simulated chat completions."""
