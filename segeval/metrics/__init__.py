"""The metrics: one function and one card each.

Importing this package registers all of them.
"""

from segeval.metrics import multilabel, overlap, probability, surface
from segeval.metrics.registry import METRICS, Direction, Metric, Parameter, Quantity, Request, find, parse, parse_all

# the order in tables: what one label's counts tell, then its surfaces, then all labels at once, then a
# probability map
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
