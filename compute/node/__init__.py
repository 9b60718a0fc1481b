"""A node: the process that runs jobs of one compute target."""
