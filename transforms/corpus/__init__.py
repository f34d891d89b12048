"""The format of a corpus on disk: shards, manifest, pointer, card and report."""
