"""A gateway in front of simulated Kimi."""

from simulators.kimi.installed import KimiServed
from support.served import fixtures_of

running, served = fixtures_of(KimiServed)
