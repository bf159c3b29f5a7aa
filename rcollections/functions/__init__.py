"""Functions whose results are kept: what users call, and what stands behind it."""
