"""The hotel's rules and the rules of a reply. Pure: time, ids and state come in as arguments."""
