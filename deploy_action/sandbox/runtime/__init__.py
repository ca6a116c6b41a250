"""Runtime of replicas: ordinary processes of this machine."""

from deploy_action.sandbox.runtime.process import ProcessReplica, ProcessRuntime

__all__ = ["ProcessReplica", "ProcessRuntime"]
