"""Pipelines, runs, data and models of a studio, named as in azureml. Standard library only, Python 3.9 and newer."""

__version__ = "0.2.0"
