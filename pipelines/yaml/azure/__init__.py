"""Files of Azure ML's command line, version 2, as they stand."""

from pipelines.yaml.azure.planning import plan_of

__all__ = ["plan_of"]
