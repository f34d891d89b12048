"""The corpus on disk: shards, manifest, pointer, card and report; reading and verifying them."""
