"""The command line: ``python -m rcollections``, one file a command."""
