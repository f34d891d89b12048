"""The last stage: apply the verdicts, write the shards, publish the version."""
