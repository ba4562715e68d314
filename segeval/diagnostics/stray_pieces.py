"""Pieces of a mask that lie apart, and what they do to the Hausdorff distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segeval.evidence.layered_comparison import LayeredComparison, Pair
from segeval.evidence.surfaces.distances import SurfaceDistances
from segeval.maps.labels import Key
from segeval.text import counted

STRAY_SHARE = 0.2  # of a mask's voxels: a piece larger than that is no stray one
SAME = 1e-9  # of a distance: what rounding may do to it
MOST_PLACES = 9


def stray_pieces(pair: Pair, key: Key, surfaces: SurfaceDistances) -> list[str]:
    """Of each mask the farthest of its small pieces that share nothing with the other mask."""
    if key == 0:  # pieces of the background are the rule
        return []
    unit, places = pair.grid.unit, decimals_of(pair)
    hd, hd95 = surfaces.percentile(100), surfaces.percentile(95)
    masks, ignored = _masks(pair, key)
    found = []
    for mask, other, name, its in (
        (masks[0], masks[1], "prediction", "reference"),
        (masks[1], masks[0], "reference", "prediction"),
    ):
        piece = _farthest_piece(mask, other, ignored, pair.grid.spacing)
        if piece is None or piece.farthest < hd95:
            continue
        voxels = counted(piece.voxels, "voxel")
        is_hd = abs(hd - piece.farthest) <= SAME * hd
        found.append(
            f"a piece of the {name} shares no voxel with the {its}: {voxels}, {100 * piece.share:.2g} % of its border "
            f"points, {piece.farthest:.{places}f} {unit} from the other border; "
            f"{'hd is that distance' if is_hd else f'hd is {hd:.{places}f} {unit}, not that distance'}, and hd@95 "
            f"({hd95:.{places}f} {unit}) {'leaves it out' if hd95 < piece.nearest else 'does not leave all of it out'}"
        )
    return found


def _masks(pair: Pair, key: Key) -> tuple[list[NDArray[np.bool_]], NDArray[np.bool_] | None]:
    """Where either map has a label or region, and the ignored zone, in the box that holds both."""
    from scipy import ndimage

    if isinstance(pair, LayeredComparison):
        pair, key = pair.of(key)
    maps = [pair.prediction.labels, pair.reference.labels]
    members = np.array(sorted(pair.regions[key]) if isinstance(key, str) else [key], np.uint64)
    masks = [np.isin(each, members) if members.size > 1 else each == members[0] for each in maps]
    held = ndimage.find_objects((masks[0] | masks[1]).view(np.uint8))[0]
    ignored = pair.conventions.ignore_label
    return [mask[held] for mask in masks], None if ignored is None else maps[1][held] == ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A piece of a mask: its voxels, its share of the border points, and how far these are from the other border."""

    voxels: int
    share: float
    nearest: float
    farthest: float


def _farthest_piece(
    mask: NDArray[np.bool_],
    other: NDArray[np.bool_],
    ignored: NDArray[np.bool_] | None,
    spacing: tuple[float, ...],
) -> _Piece | None:
    """The farthest of the small pieces of a mask that share nothing with the other; what is ignored counts nowhere."""
    from scipy import ndimage
    from scipy.spatial import cKDTree

    borders = [each & ~ndimage.binary_erosion(each) for each in (mask, other)]
    if ignored is not None:
        borders = [border & ~ignored for border in borders]
        mask, other = mask & ~ignored, other & ~ignored
    pieces, number = ndimage.label(mask, np.ones((3,) * mask.ndim))
    if number < 2 or not borders[1].any():
        return None
    sizes = np.bincount(pieces.ravel(), minlength=number + 1)
    stray = sizes <= STRAY_SHARE * sizes[1:].sum()
    stray[0] = False
    stray[pieces[other]] = False
    places = np.argwhere(borders[0])
    owners = pieces[borders[0]]
    of_stray = stray[owners]
    if not of_stray.any():
        return None
    scale = np.array(spacing)
    found, _ = cKDTree(np.argwhere(borders[1]) * scale).query(places[of_stray] * scale)
    distances = np.asarray(found)
    piece = owners[of_stray][np.argmax(distances)]
    of_piece = distances[owners[of_stray] == piece]
    return _Piece(
        voxels=int(sizes[piece]),
        share=of_piece.size / owners.size,
        nearest=float(of_piece.min()),
        farthest=float(of_piece.max()),
    )


def decimals_of(pair: Pair) -> int:
    """Decimals that resolve a tenth of the smallest spacing, 2 or more."""
    return min(max(2, 1 - math.floor(math.log10(min(pair.grid.spacing)))), MOST_PLACES - 1)
