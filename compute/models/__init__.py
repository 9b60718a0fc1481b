"""Where work runs (targets and their nodes), with what (environments), the work (jobs), and what it said (logs)."""

from compute.models.checks import ConnectionCheck
from compute.models.environments import Environment, EnvironmentBuild, SpecificationLock
from compute.models.jobs import LOG_ARCHIVE_BYTES, Attempt, AttemptUsage, Job, LogChunk, Turn
from compute.models.metrics import Metric, MetricChunk
from compute.models.quotas import CpuUse, KeptFile, Quota, StorageCount, StorageUse
from compute.models.targets import (
    ComputeTarget,
    LiveTargets,
    Node,
    NodeLog,
    NodeSample,
    PoolEvent,
    PoolNode,
    SpokenProtocol,
)

__all__ = [
    "LOG_ARCHIVE_BYTES",
    "Attempt",
    "AttemptUsage",
    "ComputeTarget",
    "ConnectionCheck",
    "CpuUse",
    "Environment",
    "EnvironmentBuild",
    "Job",
    "KeptFile",
    "LiveTargets",
    "LogChunk",
    "Metric",
    "MetricChunk",
    "Node",
    "NodeLog",
    "NodeSample",
    "PoolEvent",
    "PoolNode",
    "Quota",
    "SpecificationLock",
    "SpokenProtocol",
    "StorageCount",
    "StorageUse",
    "Turn",
]
