"""Pipeline Studio: a self-hosted studio for machine-learning pipelines."""

from studio.celery import app as celery_app

__all__ = ["celery_app"]
