"""Turns a bucket of responses into records and rejected rows."""
