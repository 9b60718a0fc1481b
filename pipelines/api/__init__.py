"""The REST API of pipelines, their sources, and runs."""
