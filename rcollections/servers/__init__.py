"""Configured servers: the registry, connections, the drivers of plans, and what runs beside the calls."""
