"""gateway-kiro: Kiro subscriptions of AWS through the service that the Kiro IDE and CLI use."""
