"""Quota, pacing and budget: how much may be sent, and what was already spent."""
