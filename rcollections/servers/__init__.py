"""Configured servers: the registry, connections, the drivers of plans, and background work."""
