"""Hearing and speaking: the keyless parts and the choice of providers."""
