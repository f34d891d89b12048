"""What happens to a record. Imports `schemas` only."""
