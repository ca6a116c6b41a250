"""The data plane: the ingress for user requests, streaming in both directions."""

from deploy_action.sandbox.plane.edge import Plane

__all__ = ["Plane"]
