"""The registry: its documents, its client and its server."""
