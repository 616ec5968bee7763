"""Access logs: reading their lines, and sending them as requests."""
