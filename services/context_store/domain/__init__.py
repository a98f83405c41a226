"""Pure rules of the store: what a row is, which numbers are missing, what the context adds up to."""
