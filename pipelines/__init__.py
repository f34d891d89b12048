"""In which order it happens: the Beam pipelines and the command line."""
