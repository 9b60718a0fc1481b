"""What is wrong with a search."""

from __future__ import annotations

from studio_sdk.exceptions import AzureMLException, UserErrorException


class HyperDriveException(AzureMLException):
    """Base of all."""


class HyperDriveServiceException(HyperDriveException):
    """The studio does not answer as it should."""


class HyperDriveConfigException(HyperDriveException, UserErrorException):
    """A search that can't be made as it is configured."""


class HyperDriveScenarioNotSupportedException(HyperDriveConfigException):
    """What the studio's searches can't do."""


class HyperDriveNotImplementedException(HyperDriveScenarioNotSupportedException):
    """What the studio's searches can't do yet."""


class HyperDriveRehydrateException(HyperDriveException):
    """Never raised: a search is read as the studio keeps it."""
