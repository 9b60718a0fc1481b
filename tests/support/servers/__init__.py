"""Real servers that datastores are tried against, each started for the tests that ask for it."""
