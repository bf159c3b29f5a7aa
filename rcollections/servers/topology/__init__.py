"""Which server gets a step: one, or the nodes of a cluster."""
