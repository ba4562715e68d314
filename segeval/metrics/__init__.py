"""The metrics: one function and one card each.

Importing this package registers all of them.
"""

from segeval.metrics import multilabel, overlap, surface
from segeval.metrics.registry import METRICS, Direction, Metric, Parameter, Quantity, Request, find, parse, parse_all

__all__ = [
    "METRICS",
    "Direction",
    "Metric",
    "Parameter",
    "Quantity",
    "Request",
    "find",
    "multilabel",
    "overlap",
    "parse",
    "parse_all",
    "surface",
]
