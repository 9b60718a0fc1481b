"""Data from one place to another."""

from __future__ import annotations

from typing import Any

from studio_sdk.data.data_reference import DataReference
from studio_sdk.data.datapath import DataPath
from studio_sdk.data.output_dataset_config import OutputFileDatasetConfig
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._making import Making, Ports, common
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.builder import PipelineData, PipelineStep

__all__ = ["DataTransferStep"]

_TYPES = (None, "file", "directory")


class DataTransferStep(PipelineStep):
    """Copies data to a place in a datastore, and verifies what arrives. What is there already is replaced.

    The node does it, so that no script sees the credentials; a `compute_target` is not needed.

    ```python
    copy = DataTransferStep(
        "copy",
        source_data_reference=DataReference(raw_store, "raw", path_on_datastore="sales"),
        destination_data_reference=DataReference(lake, "lake", path_on_datastore="landed/sales"),
    )
    ```
    """

    def __init__(
        self,
        name: str,
        source_data_reference: Any = None,
        destination_data_reference: Any = None,
        compute_target: Any = None,
        source_reference_type: str | None = None,
        destination_reference_type: str | None = None,
        allow_reuse: bool = True,
    ) -> None:
        if source_data_reference is None or destination_data_reference is None:
            raise UserErrorException(f"“{name}” needs a source_data_reference and a destination_data_reference.")
        for kind in (source_reference_type, destination_reference_type):
            if kind not in _TYPES:
                raise UserErrorException(f"A reference is of the type file or directory, and not {kind!r}.")
        if destination_reference_type == "file":
            refuse("destination_reference_type='file'", "the folder that the file is to lie in, and 'directory',")
        self._output = self._output_of(name, destination_data_reference)
        super().__init__(name, [source_data_reference], [self._output])
        self._compute_target = compute_target
        self._allow_reuse = allow_reuse

    def get_output(self) -> Any:
        """What it writes, as an input of later steps."""
        return self._output

    def _fill(self, making: Making, step: dict[str, Any]) -> None:
        ports = Ports(making, step)
        ports.take(self._inputs, self._outputs, [])
        step["kind"] = "transfer"
        step["existing"] = "replace"
        making.compute(step, self._compute_target)
        common(step, allow_reuse=self._allow_reuse, version=None)
        ports.finish()

    @staticmethod
    def _output_of(name: str, place: Any) -> Any:
        if isinstance(place, (PipelineData, OutputFileDatasetConfig)):
            return place
        if isinstance(place, (DataReference, DataPath)):
            if not place.path_on_datastore:
                raise UserErrorException(f"Name the folder that “{name}” copies to: path_on_datastore is empty.")
            label = place.name or "destination"
            return OutputFileDatasetConfig(label, destination=(place.datastore, place.path_on_datastore))
        raise UserErrorException(f"A {type(place).__name__} is no place to copy to: use a DataReference.")
