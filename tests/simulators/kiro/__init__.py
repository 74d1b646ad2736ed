"""A simulator of AWS Kiro: its portal, its login services, and the service that answers."""
