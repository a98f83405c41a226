"""A LiveKit server for this machine: found, built, configured."""
