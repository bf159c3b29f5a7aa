"""The five types: what users call."""
