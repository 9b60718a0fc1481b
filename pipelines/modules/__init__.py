"""Modules: step definitions that are published on their own, with versions and typed ports."""
