"""Traffic splits, and the schedule of a traffic shift."""
