"""`make call`: talk to the concierge in a room, from a terminal. Tests and measurements use the same `RoomGuest`."""
