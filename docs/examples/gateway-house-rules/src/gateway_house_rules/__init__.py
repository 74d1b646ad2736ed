"""gateway-house-rules: a policy plugin that changes requests for every provider."""
