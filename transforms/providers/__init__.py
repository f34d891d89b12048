"""The providers' side: wire formats, HTTP, keys, retries, and the embedded model."""
