"""Losses and soft scores of probability maps: values and gradients.

The formulas are those of Sudre et al. 2017 (arXiv:1707.03237) and of V-Net (Milletari et al. 2016, arXiv:1606.04797),
as printed. p is the probability of a class at a voxel, r the reference (0 or 1, or soft), N the number of voxels.
Gradients are closed forms with respect to p; every entry of p is an independent variable.

`wce`, `dl2`, `ss`, `soft_dice` and `vnet_dice` score each class of the foreground against the rest and take the mean.
A class with an undefined value (0/0) is not part of the mean, and its gradient is 0. If all classes are undefined, as
in an image without voxels, the value is NaN and the gradient 0. Losses are better when lower; `soft_dice` and
`vnet_dice` are scores, and better when higher.
"""

from collections.abc import Callable

from segeval.losses.foreground import Scored, imbalance
from segeval.losses.overlap import dl2, gdl, soft_dice, vnet_dice
from segeval.losses.voxelwise import cross_entropy, ss, wce

__all__ = ["LOSSES", "Scored", "cross_entropy", "dl2", "gdl", "imbalance", "soft_dice", "ss", "vnet_dice", "wce"]

LOSSES: dict[str, Callable[..., Scored]] = {
    each.__name__: each for each in (wce, cross_entropy, dl2, ss, gdl, soft_dice, vnet_dice)
}
"""Functions by name, in the order of the papers; each takes `probabilities`, `reference` and `normalise`."""
