"""Where replicas run: ordinary processes, or containers of a Docker engine."""

from deploy_action.sandbox.runtime.process import ProcessReplica, ProcessRuntime

__all__ = ["ProcessReplica", "ProcessRuntime"]
