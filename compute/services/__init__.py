"""Everything that changes compute's rows."""

from compute.services.builds import request_builds
from compute.services.checks import request_check
from compute.services.client_jobs import job_of_client
from compute.services.deleting import delete_jobs
from compute.services.environments import create_environment, rebuild_environment
from compute.services.holding import hold_jobs, let_go, withdraw_jobs
from compute.services.intake import remove_node, set_node_intake, set_target_intake
from compute.services.jobs import NewJob, create_jobs, request_cancel
from compute.services.node_control import start_node, stop_node
from compute.services.quotas import QuotaReachedError, admit_run, hold_quotas
from compute.services.targets import change_target, create_target, delete_target, ensure_curated

__all__ = [
    "NewJob",
    "QuotaReachedError",
    "admit_run",
    "change_target",
    "create_environment",
    "create_jobs",
    "create_target",
    "delete_jobs",
    "delete_target",
    "ensure_curated",
    "hold_jobs",
    "hold_quotas",
    "job_of_client",
    "let_go",
    "rebuild_environment",
    "remove_node",
    "request_builds",
    "request_cancel",
    "request_check",
    "set_node_intake",
    "set_target_intake",
    "start_node",
    "stop_node",
    "withdraw_jobs",
]
