"""What the five Async types share: how they carry operations out, and what they refuse."""
