"""The only rooms that know redis, sockets, asyncio or sleep: DSNs, codec, scripts, connections, drivers."""
