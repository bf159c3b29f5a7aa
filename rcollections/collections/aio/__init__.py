"""The five types, awaited. ``python -m tests.faces`` makes these files from those of the sync types."""
