"""Azure Monitor's platform metrics of container apps."""

from deploy_action.sandbox.monitor.sampler import GaugeSampler
from deploy_action.sandbox.monitor.service import Metrics, MetricSettings

__all__ = ["GaugeSampler", "MetricSettings", "Metrics"]
