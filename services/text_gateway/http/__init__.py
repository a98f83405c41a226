"""The text channel over HTTP."""
