"""What makes the in-process tier true: who hears of changes, what that proves, and what a connection does about it."""
