"""Choosing among the samples of a prompt: the best of them, and pairs of a better and a worse."""
