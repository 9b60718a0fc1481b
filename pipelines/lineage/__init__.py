"""Where data came from and what was made of it: steps, versions of datasets and models, and files, one after another.

Only steps that ran themselves are told: one whose result was taken again is the step that made it. A walk is bounded
in hops, in nodes and in statements, however many runs there were.
"""

from pipelines.lineage.graph import Graph, more_of, walk
from pipelines.lineage.nodes import Key, Model, Place, Step, Version, key_from, step_that_made

__all__ = ["Graph", "Key", "Model", "Place", "Step", "Version", "key_from", "more_of", "step_that_made", "walk"]
