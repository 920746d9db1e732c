"""Pieces of networks that several methods share."""

from tesserec.parts.networks.contents import contents, width
from tesserec.parts.networks.features import Features
from tesserec.parts.networks.neighbourhood import Neighbourhood

__all__ = ["Features", "Neighbourhood", "contents", "width"]
