"""What is checked and computed before a run starts."""
