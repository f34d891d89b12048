"""Work on published corpora: verify, explain, audit, withdraw, release-check."""
