"""Reads prompts, makes requests of them, and stages the requests on disk."""
