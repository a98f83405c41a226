"""A local server that speaks OpenAI's chat completions and answers by the offline rules.

With it the real client runs through the whole stack, over HTTP and without a key. Not for guests.
"""
