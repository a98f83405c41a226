"""How a process is seen: logs, metrics, health. Implements the observer that the bus takes as an argument."""
