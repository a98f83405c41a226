"""What the bus tests are made of: short times, handlers that are led by hand, listeners, and a stage to put them on."""
