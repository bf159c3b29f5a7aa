"""The version of the package: ``rcollections.__version__`` and the command line show it."""

__version__ = "0.1.0"
