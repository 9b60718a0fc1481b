"""What goes wrong, as MLflow's clients read it: a code that they know and a sentence."""

from http import HTTPStatus

_STATUS = {
    "UNAUTHENTICATED": HTTPStatus.UNAUTHORIZED,
    "PERMISSION_DENIED": HTTPStatus.FORBIDDEN,
    "RESOURCE_DOES_NOT_EXIST": HTTPStatus.NOT_FOUND,
    "ENDPOINT_NOT_FOUND": HTTPStatus.NOT_FOUND,
    "TEMPORARILY_UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
    "INTERNAL_ERROR": HTTPStatus.INTERNAL_SERVER_ERROR,
}


class MlflowError(Exception):
    """Becomes `{"error_code", "message"}`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    @property
    def status(self) -> HTTPStatus:
        return _STATUS.get(self.code, HTTPStatus.BAD_REQUEST)


def unfit(message: str) -> MlflowError:
    return MlflowError("INVALID_PARAMETER_VALUE", message)


def missing(message: str) -> MlflowError:
    return MlflowError("RESOURCE_DOES_NOT_EXIST", message)


def taken(message: str) -> MlflowError:
    return MlflowError("RESOURCE_ALREADY_EXISTS", message)


def wrong_state(message: str) -> MlflowError:
    return MlflowError("INVALID_STATE", message)
