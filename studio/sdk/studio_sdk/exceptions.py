"""What goes wrong, by azureml's names. The text of each is a sentence that says what to do."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ActivityCanceledException",
    "ActivityFailedException",
    "AuthenticationException",
    "AzureMLAggregatedException",
    "AzureMLException",
    "ComputeTargetException",
    "DatasetTimestampMissingError",
    "DiscoveryUrlNotFoundException",
    "ExperimentExecutionException",
    "ModelNotFoundException",
    "ModelPathNotFoundException",
    "NotSupportedException",
    "ParallelRunException",
    "ProjectSystemException",
    "RunConfigurationException",
    "RunEnvironmentException",
    "ServiceException",
    "SnapshotException",
    "TrainingException",
    "UserErrorException",
    "WebserviceException",
    "WorkspaceException",
    "WorkspacePrivateEndpointException",
]


class AzureMLException(Exception):
    """Base of all. `message` is its sentence, `inner_exception` what it came from, if anything."""

    def __init__(self, exception_message: str = "", inner_exception: BaseException | None = None) -> None:
        super().__init__(exception_message)
        self._message = exception_message
        self.inner_exception = inner_exception
        self.problems: list[dict[str, Any]] = []  # where the studio refused: each `loc`, the way to it, and `message`

    @property
    def message(self) -> str:
        return self._message


class AzureMLAggregatedException(AzureMLException):
    """Several at once: `exceptions_list`."""

    def __init__(self, exceptions_list: list[Any]) -> None:
        super().__init__("\n".join(str(each) for each in exceptions_list))
        self.exceptions_list = exceptions_list


class UserErrorException(AzureMLException):
    """Something to put right in the program."""


class NotSupportedException(UserErrorException, NotImplementedError):
    """What azureml had and the studio has not. Its text names what to use instead."""


class AuthenticationException(UserErrorException):
    """The token is missing, or is not known."""


class RunEnvironmentException(AzureMLException):
    """There is no run around this program."""


class ServiceException(AzureMLException):
    """The studio does not answer, or not as it should. `status_code` is that of its answer, 0 where there was none."""

    def __init__(
        self,
        exception_message: str = "",
        inner_exception: BaseException | None = None,
        *,
        status_code: int = 0,
    ) -> None:
        super().__init__(exception_message, inner_exception)
        self.status_code = status_code


class TrainingException(AzureMLException):
    """A step or its environment can't be made as it is configured."""


class ExperimentExecutionException(AzureMLException):
    """A submission or a run failed."""


class ProjectSystemException(AzureMLException):
    """A configuration can't be read or written."""


class SnapshotException(AzureMLException):
    """Source files can't be sent."""


class WorkspaceException(AzureMLException):
    """There is no such workspace, or you are no member of it."""


class WorkspacePrivateEndpointException(WorkspaceException):
    """Never raised: there are no private endpoints."""


class ComputeTargetException(AzureMLException):
    """There is no such compute target, or it can't be made or changed so."""


class RunConfigurationException(AzureMLException):
    """A run configuration says what can't be."""


class WebserviceException(AzureMLException):
    """A model can't be used so. `status_code` is that of the studio's answer."""

    def __init__(self, exception_message: str = "", status_code: int | None = None) -> None:
        super().__init__(exception_message)
        self.status_code = status_code


class ModelNotFoundException(WebserviceException):
    """There is no such model."""


class ModelPathNotFoundException(WebserviceException):
    """There is no such file of a model."""


class DiscoveryUrlNotFoundException(AzureMLException):
    """Never raised: the studio has one address."""


class ActivityFailedException(AzureMLException):
    """A run failed. `error_details` says why."""

    def __init__(self, error_details: str = "") -> None:
        super().__init__(error_details)
        self.error_details = error_details


class ActivityCanceledException(AzureMLException):
    """A run was cancelled."""


class DatasetTimestampMissingError(AzureMLException):
    """A table has no timestamp column, and was asked for a time."""


class ParallelRunException(AzureMLException):
    """A parallel run is configured as it can't be."""
