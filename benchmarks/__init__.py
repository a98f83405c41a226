"""Side-by-side measurements on a real Redis, with the processes separated as in production. `make bench` runs them."""
