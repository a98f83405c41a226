"""The turn protocol under random interleavings, against an explicit model, on a real Redis."""
