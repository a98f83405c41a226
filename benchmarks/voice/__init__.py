"""Calls in real rooms, measured by what the guest hears, beside LiveKit's own way to LangChain: `make bench-voice`."""
