"""Environments: what they may ask for, and how a node builds them."""
