"""DSNs: read from text, checked, and shown without their passwords."""
