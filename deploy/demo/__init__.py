"""`make demo`: a guest calls, books, interrupts and writes; what happened is printed, recorded, and checked."""
