"""Asking: the APIs that teachers speak, quota, budget, retry and the ledger."""
