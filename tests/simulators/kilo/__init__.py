"""A simulated Kilo gateway."""
