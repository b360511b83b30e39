"""Keys and certificates: who may speak, and what the hub signs with."""
