"""Mechanism: the turn protocol on Redis Streams. The only package that imports redis."""
