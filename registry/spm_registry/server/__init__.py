"""The registry server: aiohttp in front of a database and an object store."""
