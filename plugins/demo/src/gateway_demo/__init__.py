"""gateway-demo: the reference provider. It answers from a script and needs no login."""
