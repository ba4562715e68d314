"""Find separate pieces of a mask, and say how they affect the Hausdorff distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segeval.evidence.layered_comparison import LayeredComparison, Pair
from segeval.evidence.surfaces.distances import SurfaceDistances
from segeval.maps.labels import Key
from segeval.text import counted

STRAY_SHARE = 0.2  # largest share of the voxels of a mask that counts as a separate piece
SAME = 1e-9  # relative rounding error of a distance
MOST_PLACES = 9


def stray_pieces(pair: Pair, key: Key, surfaces: SurfaceDistances) -> list[str]:
    """Describe, for each mask, the farthest small piece that does not overlap the other mask."""
    if key == 0:  # the background is usually in several pieces
        return []
    unit, places = pair.grid.unit, decimals_of(pair)
    hd, hd95 = surfaces.percentile(100), surfaces.percentile(95)
    masks, ignored = _masks(pair, key)
    found = []
    for mask, other, name, other_name in (
        (masks[0], masks[1], "prediction", "reference"),
        (masks[1], masks[0], "reference", "prediction"),
    ):
        piece = _farthest_piece(mask, other, ignored, pair.grid.spacing)
        if piece is None or piece.farthest < hd95:
            continue
        voxels = counted(piece.voxels, "voxel")
        is_hd = abs(hd - piece.farthest) <= SAME * hd
        found.append(
            f"a separate piece of the {name} does not overlap the {other_name}: {voxels}, {100 * piece.share:.2g} % "
            f"of the {name}'s border, up to {piece.farthest:.{places}f} {unit} from the {other_name}; "
            f"{'hd is this distance' if is_hd else f'hd ({hd:.{places}f} {unit}) is not this distance'}, hd@95 "
            f"({hd95:.{places}f} {unit}) {'ignores the piece' if hd95 < piece.nearest else 'includes part of it'}"
        )
    return found


def _masks(pair: Pair, key: Key) -> tuple[list[NDArray[np.bool_]], NDArray[np.bool_] | None]:
    """Crop both masks of a label or region, and the ignored voxels, to the box around the masks."""
    from scipy import ndimage

    if isinstance(pair, LayeredComparison):
        pair, key = pair.of(key)
    maps = [pair.prediction.labels, pair.reference.labels]
    members = np.array(sorted(pair.regions[key]) if isinstance(key, str) else [key], np.uint64)
    masks = [np.isin(each, members) if members.size > 1 else each == members[0] for each in maps]
    box = ndimage.find_objects((masks[0] | masks[1]).view(np.uint8))[0]
    ignored = pair.conventions.ignore_label
    return [mask[box] for mask in masks], None if ignored is None else maps[1][box] == ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A piece of a mask: voxels, share of the mask's border points, and their distances to the other border."""

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
    """Find the farthest small piece of a mask that does not overlap the other mask, without ignored voxels."""
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
    """Number of decimals that show a tenth of the smallest spacing, at least 2."""
    return min(max(2, 1 - math.floor(math.log10(min(pair.grid.spacing)))), MOST_PLACES - 1)
