"""The plans of cached functions."""
