"""``embedded://``: a real server that the processes of a machine share."""
