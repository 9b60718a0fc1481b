"""Who may do what: the one table that pages, API and sockets ask."""

from collections.abc import Mapping
from enum import StrEnum

from studio.workspaces.models import Role


class Permission(StrEnum):
    """Something that a member of a workspace can be allowed to do."""

    VIEW = "view"  # see everything in the workspace
    RUN = "run"  # submit and cancel runs
    DELETE_RUNS = "delete_runs"  # put runs in the trash and restore them, pin what is to stay
    EDIT_PIPELINES = "edit_pipelines"  # make, change and delete pipelines and their sources
    EDIT_DATA = "edit_data"  # upload files, make datasets
    EDIT_MODELS = "edit_models"  # register models, tag them, set their stages, delete one's own
    EDIT_ENVIRONMENTS = "edit_environments"
    MANAGE_DATASTORES = "manage_datastores"  # register, change, remove datastores
    MANAGE_COMPUTE = "manage_compute"  # make, change, remove compute targets
    MANAGE_MODELS = "manage_models"  # delete models that others registered
    MANAGE_RETENTION = "manage_retention"  # delete at once what is in the trash, say how long runs are kept
    MANAGE_MEMBERS = "manage_members"  # add and remove people, change roles and the workspace's name


_CONTRIBUTOR = frozenset(
    {
        Permission.VIEW,
        Permission.RUN,
        Permission.DELETE_RUNS,
        Permission.EDIT_PIPELINES,
        Permission.EDIT_DATA,
        Permission.EDIT_MODELS,
        Permission.EDIT_ENVIRONMENTS,
    }
)

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.READER: frozenset({Permission.VIEW}),
    Role.CONTRIBUTOR: _CONTRIBUTOR,
    Role.OWNER: frozenset(Permission),
}
