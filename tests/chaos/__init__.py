"""Faults: the native stack under conversations, killed piece by piece, and an auditor who trusts nobody."""
