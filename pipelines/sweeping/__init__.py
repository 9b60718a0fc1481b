"""What a sweep tries: its search space, the samples of it, and which trials are not worth going on with. Pure."""
