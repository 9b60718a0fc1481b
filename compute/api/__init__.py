"""Compute over REST."""
