"""The metrics, each a function with a card.

Importing this package registers all of them.
"""

from segeval.metrics import multilabel, overlap, probability, surface
from segeval.metrics.registry import METRICS, Direction, Metric, Parameter, Quantity, Request, find, parse, parse_all

# order in tables: counts of one label, surfaces of one label, all labels, probability maps
for _family in (overlap, surface, multilabel, probability):
    for _name in [name for name, card in METRICS.items() if card.function.__module__ == _family.__name__]:
        METRICS[_name] = METRICS.pop(_name)

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
    "probability",
    "surface",
]
