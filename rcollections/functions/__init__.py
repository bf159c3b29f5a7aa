"""Functions whose results are kept: the faces that users call, and the parts behind the faces."""
