"""The worst day, made: processes over cached functions and collections, faults on all sides, and a history checker."""
