"""The road to a server: sockets, pools of links, steps as bytes, errors in our own words."""
