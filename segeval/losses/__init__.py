"""Losses and soft scores of probability maps, each as its value and its gradient; see `segeval.losses.values`."""

from segeval.losses.values import LOSSES, Scored, cross_entropy, dl2, gdl, imbalance, soft_dice, ss, vnet_dice, wce

__all__ = ["LOSSES", "Scored", "cross_entropy", "dl2", "gdl", "imbalance", "soft_dice", "ss", "vnet_dice", "wce"]
