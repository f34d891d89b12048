"""Speed and memory, as ratios to a baseline in the same run."""
