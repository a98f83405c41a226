"""Small things to run beside the project."""
