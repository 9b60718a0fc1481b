"""The tracking interface that MLflow's clients speak (its REST API, version 2.0), on the studio's own runs.

An MLflow run is a step of a run: of one that the studio runs, or of one that a client begins. There is no second store:
its metrics, tags and files are those of the step, a parameter is a property, an experiment is an experiment, a
registered model is a model. See https://mlflow.org/docs/latest/rest-api.html.
"""
