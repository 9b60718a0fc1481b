"""What a step is told of the resources that it was given."""

from collections.abc import Sequence

from compute.spec import Resources


def devices_visible(gpus: Sequence[str]) -> dict[str, str]:
    """The step's own GPUs and no others; none at all for a step that was given none.

    Numbers mean the order of the PCI buses, as `nvidia-smi` counts (CUDA's default order is by speed).
    """
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def thread_hints(resources: Resources) -> dict[str, str]:
    """A step that asked for CPUs gets as many threads in OpenMP, OpenBLAS, MKL and PyTorch; its own variables win."""
    return {} if resources.cpus is None else {"OMP_NUM_THREADS": str(max(1, int(resources.cpus)))}
