"""azureml's estimators for neural networks."""

from __future__ import annotations

from typing import Any, NoReturn

from studio_sdk.exceptions import NotSupportedException

__all__ = ["Chainer", "Gloo", "Mpi", "Nccl", "ParameterServer", "PyTorch", "TensorFlow"]


def _refuse(name: str, package: str) -> NoReturn:
    raise NotSupportedException(
        f"There is no {name} estimator: use Estimator(…, pip_packages=['{package}']), or ScriptRunConfig."
    )


class PyTorch:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        _refuse("PyTorch", "torch")


class TensorFlow:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        _refuse("TensorFlow", "tensorflow")


class Chainer:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        _refuse("Chainer", "chainer")


class _Distributed:
    def __init__(self, *arguments: Any, **more: Any) -> None:
        raise NotSupportedException("A script runs in one process on one node here: use ParallelRunStep for more.")


class Mpi(_Distributed):
    """Raises NotSupportedException, which says what to use."""


class Gloo(_Distributed):
    """Raises NotSupportedException, which says what to use."""


class Nccl(_Distributed):
    """Raises NotSupportedException, which says what to use."""


class ParameterServer(_Distributed):
    """Raises NotSupportedException, which says what to use."""
