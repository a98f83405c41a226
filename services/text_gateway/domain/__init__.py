"""Pure rules of the text channel: what a request asks for, which ids it gets, what a reply amounts to."""
