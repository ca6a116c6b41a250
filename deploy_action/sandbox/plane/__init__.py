"""The data plane: what users' requests pass through, byte by byte and both ways."""

from deploy_action.sandbox.plane.edge import Plane

__all__ = ["Plane"]
