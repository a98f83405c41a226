"""The archive on SQL, and what Redis has, over the bus."""
