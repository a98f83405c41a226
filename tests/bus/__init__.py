"""The turn protocol on a real Redis."""
