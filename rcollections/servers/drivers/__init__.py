"""The drivers: they carry out the effects of plans, on a thread or in an event loop."""
