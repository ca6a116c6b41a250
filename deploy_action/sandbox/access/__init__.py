"""Azure role-based access control: roles, assignments, locks, and the check before each request."""

from deploy_action.sandbox.access.authorizer import Authorizer
from deploy_action.sandbox.access.locks import Locks
from deploy_action.sandbox.access.model import Assignment, Assignments, Principal
from deploy_action.sandbox.access.removals import Removals
from deploy_action.sandbox.access.roles import BUILT_IN, Role
from deploy_action.sandbox.access.routes import Routes

__all__ = [
    "BUILT_IN",
    "Assignment",
    "Assignments",
    "Authorizer",
    "Locks",
    "Principal",
    "Removals",
    "Role",
    "Routes",
]
