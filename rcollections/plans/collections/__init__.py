"""The operations and plans of the five types."""
