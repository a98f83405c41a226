"""One brain is not enough, four are: what operators see of it, and how many turns per second brains answer."""
