"""Pipelines: what they are made of in `core`, what their steps do in `steps`."""
