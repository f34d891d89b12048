"""Is this completion good enough? One rule, one pure function; what follows is policy."""
