"""The words every service shares: events, turns, chunks, commands, key names, codec. Pure: no I/O, no clock."""
