"""What a step says of its own run, named as in azureml. Standard library only, Python 3.9 and newer."""

__version__ = "0.1.0"
