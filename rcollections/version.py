"""The version of the package: told by ``rcollections.__version__`` and by the command line."""

__version__ = "0.1.0"
