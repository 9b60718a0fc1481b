"""Everything that changes compute's rows."""

from compute.services.builds import request_builds
from compute.services.checks import request_check
from compute.services.environments import create_environment, find_environment, rebuild_environment
from compute.services.intake import remove_node, set_node_intake, set_target_intake
from compute.services.jobs import NewJob, create_jobs, request_cancel
from compute.services.node_control import start_node, stop_node
from compute.services.quotas import admit_run
from compute.services.targets import change_target, create_target, delete_target, ensure_curated

__all__ = [
    "NewJob",
    "admit_run",
    "change_target",
    "create_environment",
    "create_jobs",
    "create_target",
    "delete_target",
    "ensure_curated",
    "find_environment",
    "rebuild_environment",
    "remove_node",
    "request_builds",
    "request_cancel",
    "request_check",
    "set_node_intake",
    "set_target_intake",
    "start_node",
    "stop_node",
]
