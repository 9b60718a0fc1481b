"""Datastores, their files and datasets in the REST API."""
