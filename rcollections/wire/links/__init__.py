"""Links: one connection to one server each, for threads and for event loops."""
