"""Measure inpainters against photographs: one protocol, any number of models, one report."""

from twofold.evaluate.compare import evaluate
from twofold.evaluate.protocol import Protocol
from twofold.evaluate.results import Report

__all__ = ["Protocol", "Report", "evaluate"]
