"""Checks on a published corpus: verify, explain, audit, withdraw, release-check."""
