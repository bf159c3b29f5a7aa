"""What the five types share: a handle on one key, its options, and the operations that fit any content."""
