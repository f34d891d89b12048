"""What belongs to providers: APIs and wire formats, HTTP, keys, retries, the embedded model."""
