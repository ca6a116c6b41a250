"""Judging a candidate by production traffic, compared with stable. Pure arithmetic.

`docs/analysis.md` explains the rules and lists their false alarm and detection rates.
"""

from deploy_action.core.analysis.counts import Counts
from deploy_action.core.analysis.verdicts import Judgement, Rule, Thresholds, check_now, judge
from deploy_action.core.analysis.windows import Window, WindowRule

__all__ = [
    "Counts",
    "Judgement",
    "Rule",
    "Thresholds",
    "Window",
    "WindowRule",
    "check_now",
    "judge",
]
