"""The rules of a spoken conversation. Pure: no I/O, no clock, no LiveKit."""
