"""What goes wrong, by azureml's names."""


class AzureMLException(Exception):
    """Base of all."""


class UserErrorException(AzureMLException):
    """Something to put right in the program."""


class RunEnvironmentException(AzureMLException):
    """There is no run around this program."""


class ServiceException(AzureMLException):
    """The studio does not answer, or not as it should."""
