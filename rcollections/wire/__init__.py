"""The road to a server: sockets, a pool of connections, steps as bytes, errors in our own words."""
