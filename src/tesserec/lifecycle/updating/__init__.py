"""Models take in new items and new events without being fitted from the start."""

from tesserec.lifecycle.updating.adding import add, fresh
from tesserec.lifecycle.updating.continuing import continued
from tesserec.lifecycle.updating.pipelines import contents_of
from tesserec.lifecycle.updating.updater import Updater
from tesserec.lifecycle.updating.warmstart import WarmStart

__all__ = ["Updater", "WarmStart", "add", "contents_of", "continued", "fresh"]
