"""Where a registry keeps what it knows: one module per kind of backend."""
