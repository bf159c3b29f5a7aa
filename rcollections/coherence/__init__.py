"""Keeps the in-process tier true: the ear hears changes, PONGs prove it, and the tiering of a connection uses both."""
