"""What guests say to a hotel, as sentence patterns, and the n-gram language model made of them."""
