"""What azureml had outside of its main packages."""
