"""How fast it is and how much memory it takes: ratios against a baseline beside it."""
