"""Pipelines as YAML files: our own, written and read, and those of Azure ML's command line, read."""
