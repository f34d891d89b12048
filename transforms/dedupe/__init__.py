"""Finds what a corpus holds twice: exactly, and nearly."""
