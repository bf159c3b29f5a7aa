"""What the five types share: a handle on one key, its options, and what it can do whatever is stored there."""
