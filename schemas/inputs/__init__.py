"""What people write: run files, registries and terms documents, and how they are read."""
