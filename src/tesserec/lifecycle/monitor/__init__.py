"""Is a model still right for what happens now? Live events and answers beside its training."""

from tesserec.lifecycle.monitor.live import Known, Live
from tesserec.lifecycle.monitor.report import Report, look
from tesserec.lifecycle.monitor.signals import Signal, Verdict
from tesserec.lifecycle.monitor.trained import TRAINED, Trained

__all__ = ["TRAINED", "Known", "Live", "Report", "Signal", "Trained", "Verdict", "look"]
