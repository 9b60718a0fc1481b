"""The sample pipeline “Handwritten digits”: what a newcomer finds running in a new workspace.

Its images are not part of the studio: they ship with scikit-learn, which only the steps' environment has. So a job
writes them to the default datastore first, and its end submits the run.
"""

from pipelines.sample.services import SAMPLE_NAME, create_sample, follow_preparation, submit_sample, submit_samples_due

__all__ = ["SAMPLE_NAME", "create_sample", "follow_preparation", "submit_sample", "submit_samples_due"]
