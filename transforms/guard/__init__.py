"""The guard decides whether a teacher may be asked, for which use, by whom, on which day."""
