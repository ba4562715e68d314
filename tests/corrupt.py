"""Damage to good files: each function yields (what was done, the damaged bytes).

The damage is what happens in the wild: copies cut short, flipped bits, headers that do not fit the data, decompression
bombs, and files that are not what their name says. Flips are on a fixed grid, so that a failure can be repeated.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

Damage = tuple[str, bytes]

_FIELDS_1 = {  # NIfTI-1: field -> (offset, struct format)
    "sizeof_hdr": (0, "i"),
    "dim[0]": (40, "h"),
    "dim[1]": (42, "h"),
    "dim[2]": (44, "h"),
    "dim[3]": (46, "h"),
    "dim[4]": (48, "h"),
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    "pixdim[1]": (80, "f"),
    "pixdim[3]": (88, "f"),
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "xyzt_units": (123, "B"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    "quatern_b": (256, "f"),
    "srow_x[0]": (280, "f"),
    "srow_x[3]": (292, "f"),
    "magic": (344, "4s"),
}
_FIELDS_2 = {  # NIfTI-2
    "sizeof_hdr": (0, "i"),
    "magic": (4, "8s"),
    "datatype": (12, "h"),
    "bitpix": (14, "h"),
    "dim[0]": (16, "q"),
    "dim[1]": (24, "q"),
    "dim[4]": (48, "q"),
    "vox_offset": (168, "q"),
    "scl_slope": (176, "d"),
}


def patched(nifti: bytes, **values: object) -> bytes:
    """A NIfTI file, plain and little-endian, with header fields overwritten; ``dim_1`` stands for ``dim[1]``."""
    fields = _FIELDS_1 if nifti[:4] == struct.pack("<i", 348) else _FIELDS_2
    data = bytearray(nifti)
    for name, value in values.items():
        stem, _, index = name.rpartition("_")
        at, kind = fields[f"{stem}[{index}]" if index.isdigit() else name]
        struct.pack_into("<" + kind, data, at, value)
    return bytes(data)


def cut(good: bytes, pieces: int = 40) -> Iterator[Damage]:
    """The file cut short at many places, the last byte and the first few among them."""
    places = {1, 2, 3, 4, 10, 100, len(good) - 1, len(good) - 4, len(good) - 8, len(good) - 9}
    places |= {len(good) * i // pieces for i in range(1, pieces)}
    for place in sorted(places):
        if 0 < place < len(good):
            yield f"cut after byte {place} of {len(good)}", good[:place]


def flipped(good: bytes, count: int = 300) -> Iterator[Damage]:
    """One flipped bit each: all over the file, and every bit of its first and last bytes."""
    bits = len(good) * 8
    places = {*range(min(bits, 96)), *range(max(0, bits - 96), bits)}
    places |= {int(place) for place in np.linspace(0, bits - 1, count)}
    for place in sorted(places):
        data = bytearray(good)
        data[place // 8] ^= 1 << place % 8
        yield f"bit {place % 8} of byte {place // 8} flipped", bytes(data)


def flipped_outside(good: bytes, start: int, end: int) -> Iterator[Damage]:
    """Every bit of the file flipped, one at a time, but for those of the bytes from `start` to `end`."""
    for place in (*range(8 * start), *range(8 * end, 8 * len(good))):
        data = bytearray(good)
        data[place // 8] ^= 1 << place % 8
        yield f"bit {place % 8} of byte {place // 8} flipped", bytes(data)


def with_other_gzip_ends(gzipped: bytes) -> Iterator[Damage]:
    """Wrong checksum, wrong length, and other data after the end."""
    yield "checksum of zero", gzipped[:-8] + bytes(4) + gzipped[-4:]
    yield "length of zero", gzipped[:-4] + bytes(4)
    yield "length off by one", gzipped[:-4] + struct.pack("<I", struct.unpack("<I", gzipped[-4:])[0] + 1)
    yield "text after the end", gzipped + b"trailing"
    yield "one byte after the end", gzipped + b"x"
    yield "half a gzip header after the end", gzipped + b"\x1f\x8b"
    yield "zeros, then text after the end", gzipped + bytes(100) + b"trailing"
    yield "one more member with data", gzipped + gzip.compress(b"more")
    yield "one more member, cut", gzipped + gzip.compress(b"more")[:-3]


def with_other_headers(nifti: bytes) -> Iterator[Damage]:
    """Header fields of a plain, little-endian NIfTI-1 file that do not fit its data, or are no values at all."""
    changes: dict[str, tuple[object, ...]] = {
        "sizeof_hdr": (0, 347, 540, -348),
        "dim_0": (0, -3, 8, 300),
        "dim_1": (0, -1, 1, 32767),
        "dim_2": (0, -1, 32767),
        "dim_3": (0, -7, 32767),
        "dim_4": (),
        "datatype": (0, 1, 3, 4, 16, 32, 128, 256 + 1, 1536, 1792, 2048, 2304, -2),
        "bitpix": (0, 1, 16, -8),
        "vox_offset": (0.0, 348.0, 351.0, 353.0, 368.0, 352.5, -352.0, 1e9, 3e38, float("nan"), float("inf")),
        "scl_slope": (float("inf"), 0.3, -1.0),
        "sform_code": (-1,),
        "qform_code": (-1,),
        "srow_x_0": (0.0, float("nan"), float("inf")),
        "srow_x_3": (float("nan"), float("inf")),
        "magic": (b"\0\0\0\0", b"ni1\0", b"n+2\0", b"n+1 ", b"n+3\0", b"\x89PNG"),
    }
    for name, values in changes.items():
        for value in values:
            yield f"{name} = {value!r}", patched(nifti, **{name: value})
    yield "a scaling without intercept", patched(nifti, scl_slope=2.0, scl_inter=float("nan"))
    yield "two volumes", patched(nifti, dim_0=4, dim_4=2)
    yield "a qform that is no rotation", patched(nifti, sform_code=0, qform_code=1, quatern_b=7.0)
    yield "no voxel size", patched(nifti, sform_code=0, qform_code=0, pixdim_1=0.0)
    yield "a negative voxel size", patched(nifti, sform_code=0, qform_code=0, pixdim_3=-2.0)
    yield "a voxel size that is not finite", patched(nifti, sform_code=0, qform_code=1, pixdim_3=float("nan"))
    for what, size in (("past its end", 32), ("of size 0", 0), ("of size 4", 4), ("of negative size", -16)):
        extension = struct.pack("<ii", size, 0) + b"text" * 2
        longer = patched(nifti, vox_offset=368.0)
        yield f"an extension {what}", longer[:348] + b"\1\0\0\0" + extension + longer[352:]


def with_other_lengths(nifti: bytes) -> Iterator[Damage]:
    """More or fewer bytes than a plain NIfTI file needs."""
    yield "one byte too many", nifti + b"\0"
    yield "a page too many", nifti + bytes(4096)
    yield "one byte too few", nifti[:-1]
    yield "header only", nifti[:352]
    yield "header without its last bytes", nifti[:348]


def bombs(header: bytes) -> Iterator[Damage]:
    """Small gzip files that expand to far more than their header says, or whose header says far more than they hold.

    `header` is that of a plain, little-endian NIfTI-1 file of uint8 voxels: its first 352 bytes.
    """
    zeros = bytes(1 << 20)
    yield "expands beyond its header", gzip.compress(header + zeros * 256, 1)
    yield "many members", gzip.compress(header) + gzip.compress(zeros, 1) * 256
    huge = patched(header, dim_1=32767, dim_2=32767, dim_3=32767)
    yield "header claims 35 TB", gzip.compress(huge + zeros)
    yield "header claims 35 TB, plain", huge + zeros
    large = patched(header, dim_1=1000, dim_2=1000, dim_3=1000)
    yield "header claims 1 GB", gzip.compress(large)
    yield "extensions of 67 MB claimed", gzip.compress(patched(header, vox_offset=float(1 << 26)))
    yield "extensions of 60 MB", gzip.compress(patched(header, vox_offset=6e7) + zeros * 58, 1)


def impostors() -> Iterator[Damage]:
    """Files that are not what their name says."""
    yield "a web page", b"<!DOCTYPE html>\n<html><body>404</body></html>"
    yield "a web page after a blank line", b"\n <HTML>" + b"x" * 5000
    yield "an XML error", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"
    yield "a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    yield "a git-annex pointer", b"/annex/objects/SHA256E-s12345--4d7a.nii.gz\n"
    yield "JSON", b'{"1": "liver"}'
    yield "text", b"case,dice\nliver_001,0.93\n" * 50
    yield "one byte", b"\x5c"
    yield "one gzip byte", b"\x1f"
    yield "half a gzip header", b"\x1f\x8b\x08"
    yield "zeros", bytes(5000)
    yield "noise", np.random.default_rng(1).bytes(5000)
    yield "a zip archive", b"PK\x03\x04" + bytes(500)
    yield "a DICOM file", bytes(128) + b"DICM" + bytes(500)
    yield "an Analyze 7.5 header", struct.pack("<i", 348) + bytes(344)
    yield "the header of a pair", struct.pack("<i", 348) + bytes(340) + b"ni1\0"
    yield "a JPEG picture", b"\xff\xd8\xff\xe0" + bytes(500)
    yield "an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(500)
    yield "an NRRD image", b"NRRD0004\ntype: uint8\n"
    yield "nothing in gzip", gzip.compress(b"")
    yield "a web page in gzip", gzip.compress(b"<html>404</html>")
    yield "gzip in gzip", gzip.compress(gzip.compress(bytes(5000)))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, *, depth: int, colour: int, rows: bytes, interlaced: int = 0, extra: bytes = b""
) -> bytes:
    """A PNG from rows that are packed and start with their filter each; `extra` chunks go before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + extra
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def damaged_pngs() -> Iterator[Damage]:
    """PNGs of 4 x 4 grey pixels whose chunks are sound and whose whole is not."""
    rows = (b"\0" + b"\1\2\3\4") * 4
    good = png(4, 4, depth=8, colour=0, rows=rows)
    end = png_chunk(b"IEND", b"")
    yield "no end", good[: -len(end)]
    yield "bytes after the end", good + b"trailing"
    yield "a row too few", png(4, 4, depth=8, colour=0, rows=rows[:-5])
    yield "a row too many", png(4, 4, depth=8, colour=0, rows=rows + rows[:5])
    yield "a byte too few", png(4, 4, depth=8, colour=0, rows=rows[:-1])
    yield "size of zero", png(0, 4, depth=8, colour=0, rows=rows)
    yield "billions of pixels", png(2**31 - 1, 2**31 - 1, depth=8, colour=0, rows=rows)
    yield "a bomb", png(4, 4, depth=8, colour=0, rows=bytes(1 << 26))
    yield "no such depth", png(4, 4, depth=3, colour=0, rows=rows)
    yield "no such colour", png(4, 4, depth=8, colour=5, rows=rows)
    yield "no such interlacing", png(4, 4, depth=8, colour=0, rows=rows, interlaced=2)
    yield "two headers", png(4, 4, depth=8, colour=0, rows=rows, extra=good[8:33])
    yield "an unknown necessary chunk", png(4, 4, depth=8, colour=0, rows=rows, extra=png_chunk(b"ABCD", b""))
    yield "no pixels", good[:33] + end
    yield "no header", good[:8] + end
    half = zlib.compress(rows)
    yield "half the compressed pixels", good[:33] + png_chunk(b"IDAT", half[: len(half) // 2]) + end
    yield "pixels without their checksum", good[:33] + png_chunk(b"IDAT", half[:-4]) + end
    yield "pixels with a wrong checksum", good[:33] + png_chunk(b"IDAT", half[:-4] + b"abcd") + end
    yield "data after the pixels", good[:33] + png_chunk(b"IDAT", half + b"more") + end
    yield "a second stream of pixels", good[:33] + png_chunk(b"IDAT", half) * 2 + end
    yield "no compressed pixels", good[:33] + png_chunk(b"IDAT", rows) + end
    yield "an unknown row filter", png(4, 4, depth=8, colour=0, rows=(b"\7" + b"\1\2\3\4") * 4)


def mutated(good: bytes, count: int, *, seed: int = 0, upto: int | None = None) -> Iterator[Damage]:
    """Bytes replaced, removed, doubled, moved and cut out at random, one to three times each, in the first `upto`."""
    rng = np.random.default_rng(seed)
    end = len(good) if upto is None else upto
    for number in range(count):
        data = bytearray(good[:end])
        for _ in range(int(rng.integers(1, 4))):
            at, size = int(rng.integers(0, len(data))), int(rng.integers(1, 9))
            kind = int(rng.integers(0, 6))
            if kind == 0:
                data[at : at + 1] = rng.bytes(1)
            elif kind == 1:
                data[at : at + 1] = b"0123456789-.eE=:() \n\r\0\xff"[at % 24 : at % 24 + 1]
            elif kind == 2:
                del data[at : at + size]
            elif kind == 3:
                data[at:at] = data[at : at + size]
            elif kind == 4:
                data[at : at + size] = data[:size]
            else:
                data[at:at] = rng.bytes(size)
        yield f"mutation {number} of seed {seed}", bytes(data) + good[end:]


def with_other_fields(header: str, separator: str, changes: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """A text header with the value of one field changed, or with the field left out or doubled."""
    lines = header.splitlines(keepends=True)
    for number, line in enumerate(lines):
        name, found, _ = line.partition(separator)
        if not found or name not in changes:
            continue
        for value in changes[name]:
            changed = f"{name}{separator}{value}\n"
            yield f"{name} = {value!r}", "".join([*lines[:number], changed, *lines[number + 1 :]])
        yield f"{name} twice", "".join([*lines[:number], line, *lines[number:]])


def with_other_directories(archive: bytes) -> Iterator[Damage]:
    """A zip archive of one stored member whose sizes, counts, offsets and checksums do not fit."""
    central = archive.rindex(b"PK\x01\x02")
    end = archive.rindex(b"PK\x05\x06")
    local = {"flags": 6, "method": 8, "checksum": 14, "name length": 26, "extra length": 28}
    directory = {"flags": 8, "method": 10, "checksum": 16, "packed size": 20, "size": 24, "name length": 28}
    directory |= {"extra length": 30, "comment length": 32, "offset": 42}
    ends = {"entries here": 8, "entries": 10, "directory size": 12, "directory offset": 16, "comment length": 20}
    for start, fields, where in ((0, local, "member"), (central, directory, "directory"), (end, ends, "end")):
        for name, offset in fields.items():
            for value in (0, 1, 9, 0x7FFF, 0xFFFF):
                at = start + offset
                changed = struct.pack("<H", value)
                if archive[at : at + 2] != changed and not (name == "entries here" or (name, value) == ("flags", 0)):
                    yield f"{name} of the {where} = {value}", archive[:at] + changed + archive[at + 2 :]
    yield "text after the end", archive + b"trailing"
    yield "no member", archive[central:]
    yield "no directory", archive[:central]
    yield "no end", archive[:end]
