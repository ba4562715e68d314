"""Read the voxels of a MetaImage, NRRD, GIPL or VTK file, given its header.

The voxels come from a stream that is checked to be complete. Headers are in LPS and segeval uses RAS, so the first two
coordinates change their sign. The axes of a header are (x, y, z), so the same bytes are an array with axes (z, y, x).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segeval.errors import InputError
from segeval.maps.label_map import Grid, LabelMap, as_labels
from segeval.maps.labels import present_labels, relabelled
from segeval.reading.files import open_data_file
from segeval.reading.headers import Segment, VolumeHeader, damaged
from segeval.reading.streams import Inflated, Plain, Stream, check_capacity, read_exactly, read_values, wrong_size

if TYPE_CHECKING:
    import io

MAX_SKEW = 1e-3  # largest error of the length of a direction: headers are rounded
_RAS_FROM_LPS = np.array([-1.0, -1.0, 1.0])


def read_labels(file: io.FileIO, header: VolumeHeader, *, source: str) -> LabelMap:
    """Read the label map in a volume.

    Segments of 3D Slicer keep their label values if these are all different, even across layers. Otherwise they are
    numbered from 1, in the order of the file. Voxels that belong to no segment keep their value.

    Parameters
    ----------
    file
        The open file.
    header
        Its header.
    source
        Path of the file; a separate data file must be in the same folder.

    Returns
    -------
    LabelMap
        Axes are always (z, y, x); an axis that the file does not have gets length 1. The further layers of a file are
        overlays, and the map of the first layer has all names.

    Raises
    ------
    InputError
        The file is damaged or has no labels.
    """
    values, compression = _values(file, header, source)
    grid = _grid(header, source)
    stored = ", ".join(
        [
            header.kind,
            *([compression] if compression else []),
            header.dtype.name,
            *(["big-endian"] if header.dtype.byteorder == ">" else []),
            *([f"{header.layers} layers"] if header.layers > 1 else []),
        ]
    )
    layers = [
        LabelMap(
            labels=as_labels(np.ascontiguousarray(values[..., layer]), source=source).reshape(grid.shape),
            grid=grid,
            source=source,
            stored=stored,
        )
        for layer in range(header.layers)
    ]
    return _named(layers, header.segments, source)


def read_numbers(file: io.FileIO, header: VolumeHeader, *, source: str) -> tuple[NDArray[Any], Grid]:
    """Read the values of the first layer of a volume, axes (z, y, x), and the grid.

    Raises
    ------
    InputError
        The file is damaged.
    """
    values, _ = _values(file, header, source)
    grid = _grid(header, source)
    return values[..., 0].reshape(grid.shape), grid


def _values(file: io.FileIO, header: VolumeHeader, source: str) -> tuple[NDArray[Any], str | None]:
    """Read the voxels, axes (z, y, x, layer), and return how they were compressed."""
    with ExitStack() as stack:
        data = file
        if header.data_file is not None:
            data = stack.enter_context(open_data_file(file, header.data_file, source=source))
        part = Plain(data, start=header.data_start, size=header.data_size if header.compression is None else None)
        stream: Stream = part
        if header.compression is not None:
            if header.data_size not in (None, part.capacity):
                raise wrong_size(header.data_start + header.data_size, header.data_start + part.capacity, source=source)
            compression = header.compression
            if compression == "zlib" and data.read(2) == b"\x1f\x8b":  # MetaIO reads both
                compression = "gzip"
            data.seek(header.data_start)
            stream = Inflated(part, compression, source=source)
        check_capacity(stream, header.skipped + header.data_bytes, source=source)
        read_exactly(stream, header.skipped, what="header", source=source)
        shape = (*header.shape, header.layers)
        return read_values(stream, shape, header.dtype, source=source), stream.compression


def _grid(header: VolumeHeader, source: str) -> Grid:
    """Return the grid in mm; a plane gets a third axis of one voxel, at right angles to it."""
    rank, geometry = len(header.shape), header.geometry
    spacing, origin, axes = np.ones(3), np.zeros(3), np.eye(3)
    spacing[:rank] = geometry.spacing
    origin[:rank] = geometry.origin
    if geometry.axes is not None:
        axes[:rank, :rank] = geometry.axes
    _check_geometry(spacing, origin, axes, source)
    spacing[:rank] *= header.mm_per_unit
    x, y, z = (origin * header.mm_per_unit * _RAS_FROM_LPS + 0.0).tolist()
    axes = axes * _RAS_FROM_LPS + 0.0  # no negative zeros, which would be visible in output
    return Grid(
        shape=(1,) * (3 - rank) + header.shape,
        spacing=tuple(spacing[::-1].tolist()),
        origin=(x, y, z),
        direction=tuple((float(a), float(b), float(c)) for a, b, c in axes[::-1].tolist()),
        unit="mm",
    )


def _check_geometry(
    spacing: NDArray[np.float64], origin: NDArray[np.float64], axes: NDArray[np.float64], source: str
) -> None:
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        sizes = " x ".join(f"{step:g}" for step in spacing)
        raise damaged(f"expected positive voxel sizes, found {sizes}", source=source)
    if not (np.isfinite(origin).all() and np.isfinite(axes).all()):
        raise damaged("origin or axes are not finite", source=source)
    if np.abs(np.linalg.norm(axes, axis=1) - 1).max() > MAX_SKEW:
        raise damaged("the axes are not vectors of length 1", source=source)
    if abs(np.linalg.det(axes)) < MAX_SKEW:
        raise damaged("the axes lie in a plane", source=source)


def _named(layers: list[LabelMap], segments: tuple[Segment, ...], source: str) -> LabelMap:
    """Combine the layers into one label map with the names of the segments; no number is in two layers."""
    if any(segment.layer >= len(layers) for segment in segments):
        raise damaged(f"a segment is in a layer that does not exist; the file has {len(layers)}", source=source)
    if len({(segment.layer, segment.value) for segment in segments}) < len(segments):
        raise damaged("two segments have the same layer and label", source=source)
    labels = [segment.value for segment in segments]
    if len(set(labels)) < len(labels):
        labels = list(range(1, len(segments) + 1))
    numbered = [
        _renumbered(
            layer,
            {segment.value: label for segment, label in zip(segments, labels, strict=True) if segment.layer == number},
            set(labels),
        )
        for number, layer in enumerate(layers)
    ]
    if len(layers) > 1:
        _check_disjoint(numbered, source)
    names = {label: segment.name for segment, label in zip(segments, labels, strict=True) if segment.name}
    return replace(numbered[0], names=names, overlays=tuple(numbered[1:]))


def _renumbered(layer: LabelMap, new: dict[int, int], taken: set[int]) -> LabelMap:
    """Return the layer with new numbers; voxels that belong to no segment must not get the number of one."""
    if not taken - new.keys() and all(old == label for old, label in new.items()):
        return layer
    foreign = (set(present_labels(layer)) - {0} - new.keys()) & taken
    if foreign:
        raise InputError(
            f"voxels with label {min(foreign)} belong to no segment of their layer, but to one of another layer",
            source=layer.source,
            hint="export the segmentation again",
        )
    return relabelled(layer, {old: label for old, label in new.items() if old != label})


def _check_disjoint(layers: list[LabelMap], source: str) -> None:
    """Refuse numbers that are in two layers but belong to no segment."""
    seen: set[int] = set()
    for layer in layers:
        here = set(present_labels(layer)) - {0}
        if here & seen:
            raise InputError(
                f"voxels with label {min(here & seen)} are in two layers but belong to no segment",
                source=source,
                hint="export the segmentation again",
            )
        seen |= here
