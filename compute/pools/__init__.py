"""Pools: targets whose nodes come when work waits and go when there is none."""
