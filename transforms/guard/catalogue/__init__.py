"""The terms that stillroom ships, as data, and what reads them and a team's registry."""

from transforms.guard.catalogue.load import Catalogue, load_catalogue
from transforms.guard.catalogue.team import load_registry

__all__ = ["Catalogue", "load_catalogue", "load_registry"]
