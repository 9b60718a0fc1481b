"""The pages of compute targets and environments."""
