"""Users and passwords of the Redis that this project starts, or of yours."""
