"""Pictures: the label of a pixel is its number in the file, in every kind of picture; colours are refused."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from segeval.errors import InputError
from segeval.reading import read_label_map
from tests.corrupt import png, png_chunk
from tests.places import DATA, needs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from segeval.maps.label_map import LabelMap

needs_data = needs(DATA)

LABELS = np.random.default_rng(5).integers(0, 4, (7, 11)).astype(np.uint8)  # (y, x)


def read(tmp_path: Path, data: bytes, name: str = "a.png") -> LabelMap:
    path = tmp_path / name
    path.write_bytes(data)
    return read_label_map(path)


def encoded(picture: Image.Image, kind: str = "png", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def palette_picture(labels: NDArray[np.uint8] = LABELS) -> Image.Image:
    picture = Image.fromarray(labels).convert("P")
    picture.putdata(labels.ravel().tolist())
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 200, 0, 0])  # two labels of one colour
    return picture


def packed_rows(values: NDArray[np.integer], bits: int) -> bytes:
    """Return rows of a PNG: the filter "none", then packed samples, the first in the highest bits."""
    rows = b""
    for row in values.tolist():
        digits = "".join(f"{value:0{bits}b}" for value in row)
        size = math.ceil(len(digits) / 8)
        rows += b"\0" + int(digits.ljust(size * 8, "0"), 2).to_bytes(size, "big")
    return rows


def raw_png(values: NDArray[np.integer], *, bits: int, colour: int = 0, extra: bytes = b"") -> bytes:
    height, width = values.shape
    return png(width, height, depth=bits, colour=colour, rows=packed_rows(values, bits), extra=extra)


def test_grey_png(tmp_path: Path) -> None:
    found = read(tmp_path, encoded(Image.fromarray(LABELS)))
    assert np.array_equal(found.labels, LABELS)
    assert not found.labels.flags.writeable
    assert (found.grid.unit, found.grid.spacing, found.grid.shape) == ("px", (1.0, 1.0), LABELS.shape)
    assert found.grid.direction == ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    assert found.stored == "PNG, grey, 8-bit"
    assert dict(found.names) == {}


def test_palette_png_keeps_its_indices(tmp_path: Path) -> None:
    choices: tuple[dict[str, Any], ...] = ({}, {"bits": 8}, {"bits": 4}, {"bits": 2}, {"transparency": 1})
    for options in choices:
        found = read(tmp_path, encoded(palette_picture(), **options))
        assert np.array_equal(found.labels, LABELS)
        assert found.stored.startswith("PNG, palette, ")


def test_palette_png_with_indices_beyond_its_palette(tmp_path: Path) -> None:
    palette = png_chunk(b"PLTE", b"\0\0\0\xff\0\0")
    found = read(tmp_path, raw_png(LABELS * 60, bits=8, colour=3, extra=palette))
    assert np.array_equal(found.labels, LABELS * 60)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_png_of_every_depth_keeps_its_samples(tmp_path: Path, bits: int) -> None:
    values = np.random.default_rng(6).integers(0, 2**bits, (9, 13))
    found = read(tmp_path, raw_png(values, bits=bits))
    assert np.array_equal(found.labels, values)
    assert found.stored == f"PNG, grey, {bits}-bit"


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_png_of_every_depth_keeps_its_samples(tmp_path: Path, bits: int) -> None:
    values = np.random.default_rng(6).integers(0, 2**bits, (9, 13))
    palette = png_chunk(b"PLTE", bytes(range(3 * 2**bits % 256)) if bits < 8 else bytes(768))
    assert np.array_equal(read(tmp_path, raw_png(values, bits=bits, colour=3, extra=palette)).labels, values)


def test_sixteen_bits(tmp_path: Path) -> None:
    values = LABELS.astype(np.uint16) * 20000
    found = read(tmp_path, encoded(Image.fromarray(values)))
    assert found.labels.dtype == np.uint16
    assert np.array_equal(found.labels, values)


def test_one_bit(tmp_path: Path) -> None:
    found = read(tmp_path, encoded(Image.fromarray(LABELS > 1)))
    assert np.array_equal(found.labels, LABELS > 1)
    assert found.labels.dtype == np.uint8


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 9), (17, 8)])
@pytest.mark.parametrize("bits", [2, 8])
def test_interlaced_png(tmp_path: Path, shape: tuple[int, int], bits: int) -> None:
    values = np.random.default_rng(7).integers(0, 2**bits, shape)
    rows = b""
    for y, dy, x, dx in (
        (0, 8, 0, 8),
        (0, 8, 4, 8),
        (4, 8, 0, 4),
        (0, 4, 2, 4),
        (2, 4, 0, 2),
        (0, 2, 1, 2),
        (1, 2, 0, 1),
    ):
        part = values[y::dy, x::dx]
        rows += packed_rows(part, bits) if part.size else b""
    data = png(shape[1], shape[0], depth=bits, colour=0, rows=rows, interlaced=1)
    assert np.array_equal(read(tmp_path, data).labels, values)


def test_everything_but_pixels_is_ignored(tmp_path: Path) -> None:
    """Resolution, texts, profiles, and even a compressed text of a gigabyte."""
    import zlib

    chunks = [
        png_chunk(b"pHYs", b"\0\0\x0b\x13\0\0\x0b\x13\1"),
        png_chunk(b"gAMA", b"\0\0\1\0"),
        png_chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(1 << 27), 9)),
        png_chunk(b"iCCP", b"broken"),
        png_chunk(b"acTL", b"\0\0\0\1\0\0\0\0"),
        png_chunk(b"tRNS", b"\0\1"),
    ]
    found = read(tmp_path, raw_png(LABELS, bits=8, extra=b"".join(chunks)))
    assert np.array_equal(found.labels, LABELS)
    assert found.grid.spacing == (1.0, 1.0)


@pytest.mark.slow
def test_pictures_larger_than_pillow_warns_of(tmp_path: Path) -> None:
    """A slide of 100 megapixels is read: its header and its compressed pixels agree."""
    import zlib

    width, height = 20_000, 5_000
    row = b"\0" + bytes(width // 8)
    stream = zlib.compressobj(1)
    body = b"".join(stream.compress(row * 500) for _ in range(height // 500)) + stream.flush()
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\1\0\0\0\0"
    chunks = [png_chunk(b"IHDR", header), png_chunk(b"IDAT", body), png_chunk(b"IEND", b"")]
    found = read(tmp_path, b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert found.labels.shape == (height, width)
    assert not found.labels.any()


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff"])
def test_colour_that_is_grey_throughout(tmp_path: Path, kind: str) -> None:
    for mode in ("RGB", "RGBA", "LA"):
        if kind == "bmp" and mode != "RGB":
            continue
        found = read(tmp_path, encoded(Image.fromarray(LABELS).convert(mode), kind), f"a.{kind}")
        assert np.array_equal(found.labels, LABELS)
        assert found.labels.flags.c_contiguous


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff"])
def test_colours_are_refused(tmp_path: Path, kind: str) -> None:
    colours = np.stack([LABELS, LABELS, LABELS + (LABELS == 2)], -1).astype(np.uint8)
    with pytest.raises(InputError, match="found colours; save it with a palette or as grey values"):
        read(tmp_path, encoded(Image.fromarray(colours), kind), f"a.{kind}")


def test_transparent_pixels_are_refused(tmp_path: Path) -> None:
    for mode in ("RGBA", "LA"):
        picture = Image.fromarray(LABELS).convert(mode)
        picture.putalpha(Image.fromarray(np.where(LABELS, 255, 254).astype(np.uint8)))
        with pytest.raises(InputError, match="transparent pixels"):
            read(tmp_path, encoded(picture))


@pytest.mark.parametrize(("colour", "channels", "name"), [(2, 3, "RGB"), (4, 2, "grey with alpha"), (6, 4, "RGBA")])
def test_sixteen_bit_colour_is_refused(tmp_path: Path, colour: int, channels: int, name: str) -> None:
    """Pillow would convert it to 8 bits without an error."""
    rows = (b"\0" + b"\1\2" * 4 * channels) * 3
    with pytest.raises(InputError, match=f"found 16-bit {name}; save it with a palette or as 16-bit grey"):
        read(tmp_path, png(4, 3, depth=16, colour=colour, rows=rows))


def test_animations_are_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(LABELS), Image.fromarray(3 - LABELS)]
    with pytest.raises(InputError, match="expected one picture, found an animation of 2 frames"):
        read(tmp_path, encoded(frames[0], save_all=True, append_images=frames[1:]))


def test_stacks_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(LABELS)] * 12
    with pytest.raises(InputError, match="expected one picture, found a stack of 12 pages"):
        read(tmp_path, encoded(pages[0], "tiff", save_all=True, append_images=pages[1:]), "a.tif")


@pytest.mark.parametrize("compression", ["raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "lzma"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int32", "float32", "bool"])
def test_tiff(tmp_path: Path, compression: str, kind: str) -> None:
    values = LABELS.astype(kind)
    found = read(tmp_path, encoded(Image.fromarray(values), "tiff", compression=compression), "a.tif")
    assert np.array_equal(found.labels, values)
    assert found.labels.dtype == np.uint8
    assert found.stored.startswith("TIFF, ")


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "zstd"])
def test_tiff_whose_pixels_cannot_be_counted_is_refused(tmp_path: Path, compression: str) -> None:
    try:
        data = encoded(Image.fromarray(LABELS > 1), "tiff", compression=compression)
    except OSError:
        pytest.skip("this Pillow was built without it")
    with pytest.raises(InputError, match="is not supported: damage cannot be detected; save it as PNG"):
        read(tmp_path, data, "a.tiff")


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"strip_size": 1 << 24}, {"big_tiff": True}, {"tiffinfo": {317: 2}}])
@pytest.mark.parametrize("compression", ["packbits", "tiff_lzw", "tiff_adobe_deflate", "lzma"])
@pytest.mark.parametrize("kind", ["noise", "constant", "blocks"])
def test_large_compressed_tiff(tmp_path: Path, kind: str, compression: str, options: dict[str, Any]) -> None:
    """Pictures so large that the LZW table is full and cleared, with and without long runs."""
    if "tiffinfo" in options and compression in {"packbits", "lzma"}:
        pytest.skip("pixels are predicted with LZW and deflate only")
    rng = np.random.default_rng(11)
    kinds: dict[str, NDArray[Any]] = {
        "noise": rng.integers(0, 256, (300, 401)).astype(np.uint8),
        "constant": np.full((900, 1200), 7, np.uint8),
        "blocks": np.kron(rng.integers(0, 900, (20, 30)), np.ones((30, 20))).astype(np.uint16),
    }
    data = encoded(Image.fromarray(kinds[kind]), "tiff", compression=compression, **options)
    assert np.array_equal(read(tmp_path, data, "a.tif").labels, kinds[kind])


def test_tiff_ignores_what_an_xmp_text_says(tmp_path: Path) -> None:
    """Pillow would rotate the picture."""
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = encoded(Image.fromarray(LABELS), "tiff", tiffinfo={700: xmp})
    assert np.array_equal(read(tmp_path, data, "a.tif").labels, LABELS)


def test_tiff_palette_and_wide_values(tmp_path: Path) -> None:
    assert np.array_equal(read(tmp_path, encoded(palette_picture(), "tiff"), "a.tif").labels, LABELS)
    wide = LABELS.astype(np.int32) * 1_000_000
    found = read(tmp_path, encoded(Image.fromarray(wide), "tiff"), "a.tif")
    assert np.array_equal(found.labels, wide)
    assert found.stored == "TIFF, grey, 32-bit"


def test_tiff_values_that_are_not_labels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"fractions such as 0\.5"):
        read(tmp_path, encoded(Image.fromarray(LABELS.astype(np.float32) / 2), "tiff"), "a.tif")
    with pytest.raises(InputError, match="negative ones down to -1"):
        read(tmp_path, encoded(Image.fromarray(LABELS.astype(np.int32) - 1), "tiff"), "a.tif")


def tiff(values: NDArray[np.integer], *, bits: int, photometric: int = 1, more: dict[int, int] | None = None) -> bytes:
    """Return a little-endian, uncompressed TIFF with one strip and samples as in `packed_rows`."""
    height, width = values.shape
    body = (
        b"".join(packed_rows(row[None], bits)[1:] for row in values)
        if bits < 16
        else values.astype(f"<u{bits // 8}").tobytes()
    )
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height, 279: len(body)}
    tags |= more or {}
    table = b"".join(
        tag.to_bytes(2, "little") + b"\4\0" + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, value in sorted(tags.items())
    )
    start = 8 + len(body) + len(body) % 2
    head = b"II*\0" + start.to_bytes(4, "little") + body.ljust(start - 8, b"\0")
    return head + len(tags).to_bytes(2, "little") + table + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("size", [16, 32])
def test_tiled_tiff(tmp_path: Path, order: str, size: int) -> None:
    """Tiles at the right and bottom edges are padded, here with a label that must not be read."""
    values = np.random.default_rng(12).integers(0, 500, (21, 40)).astype(np.uint16)
    padded = np.pad(values, [(0, -side % size) for side in values.shape], constant_values=77)
    tiles = [
        padded[y : y + size, x : x + size].astype(f"{order}u2").tobytes()
        for y in range(0, padded.shape[0], size)
        for x in range(0, padded.shape[1], size)
    ]
    number, tags = len(tiles), {256: 40, 257: 21, 258: 16, 259: 1, 262: 1, 277: 1, 322: size, 323: size}
    lists = 8 + 2 + 12 * 10 + 4
    start = lists + 8 * number
    entries = [struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags.items()]
    entries += [struct.pack(f"{order}HHII", tag, 4, number, lists + i * 4 * number) for i, tag in enumerate((324, 325))]
    each = len(tiles[0])
    data = (
        (b"II" if order == "<" else b"MM")
        + struct.pack(f"{order}HIH", 42, 8, len(entries))
        + b"".join(entries)
        + bytes(4)
        + struct.pack(f"{order}{2 * number}I", *(start + i * each for i in range(number)), *[each] * number)
        + b"".join(tiles)
    )
    assert np.array_equal(read(tmp_path, data, "a.tif").labels, values)
    with pytest.raises(InputError, match="the file is cut short"):
        read(tmp_path, data[:-1], "a.tif")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32])
def test_tiff_of_every_depth_keeps_its_samples(tmp_path: Path, bits: int) -> None:
    values = np.random.default_rng(8).integers(0, 2**bits, (9, 13))
    assert np.array_equal(read(tmp_path, tiff(values, bits=bits), "a.tif").labels, values)


def test_tiff_of_signed_bytes(tmp_path: Path) -> None:
    signed = {339: 2}
    assert np.array_equal(read(tmp_path, tiff(LABELS, bits=8, more=signed), "a.tif").labels, LABELS)
    with pytest.raises(InputError, match="negative ones down to -128"):
        read(tmp_path, tiff(LABELS + np.uint8(126), bits=8, more=signed), "a.tif")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"photometric": 0}, "TIFF with inverted values .white is 0. is not supported"),
        ({"more": {274: 6}}, "rotated or flipped rows .orientation 6. is not supported"),
        ({"more": {274: 3}}, "rotated or flipped rows .orientation 3."),
        ({"more": {259: 7}}, "compression 7 is not supported: it may change labels"),
        ({"more": {259: 99}}, "compression 99 is not supported"),
        ({"more": {279: 5}}, "the file is too small for 11 x 7 pixels"),
        ({"more": {273: 999}}, "the file is cut short"),
        ({"more": {256: 2**31, 257: 2**31}}, "expected at most 268,435,456 pixels"),
        ({"more": {256: 5}}, "expected 35 bytes of pixels, found more"),
        ({"more": {278: 3}}, "expected 3 strips or tiles, found 1"),
        ({"more": {273: 0}}, "pixels overlap other data"),
        ({"more": {266: 2}}, "reversed bits in each byte is not supported"),
        ({"more": {317: 3}}, "the picture is damaged: unknown predictor 3"),
        ({"more": {338: 0}}, "extra samples in a picture with 1 channels"),
        ({"more": {322: 16}}, "both strips and tiles"),
    ],
)
def test_unsupported_or_damaged_tiff_is_refused(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, tiff(LABELS, bits=8, **options), "a.tif")  # type: ignore[arg-type]


def test_jpeg_in_tiff_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="may change labels"):
        read(tmp_path, encoded(Image.fromarray(LABELS), "tiff", compression="jpeg"), "a.tif")


@pytest.mark.parametrize("grey", [False, True])
def test_bmp(tmp_path: Path, grey: bool) -> None:
    picture = Image.fromarray(LABELS) if grey else palette_picture()
    found = read(tmp_path, encoded(picture, "bmp"), "a.bmp")
    assert np.array_equal(found.labels, LABELS)
    assert found.stored == "BMP, palette, 8-bit"


def test_one_bit_bmp(tmp_path: Path) -> None:
    assert np.array_equal(read(tmp_path, encoded(Image.fromarray(LABELS > 1), "bmp"), "a.bmp").labels, LABELS > 1)


def bmp(values: NDArray[np.integer], *, bits: int, palette: bytes, compression: int = 0) -> bytes:
    """Return a BMP with one index per pixel; rows go from bottom to top and are padded to four bytes."""
    height, width = values.shape
    rows = [packed_rows(row[None], bits)[1:] for row in values[::-1]]
    body = b"".join(row + bytes(-len(row) % 4) for row in rows)
    start = 54 + len(palette)
    head = b"BM" + (start + len(body)).to_bytes(4, "little") + bytes(4) + start.to_bytes(4, "little")
    info = (40, width, height, 1 | bits << 16, compression, 0, 0, 0, len(palette) // 4, 0)
    return head + b"".join(number.to_bytes(4, "little") for number in info) + palette + body


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("colours", [2, 16, 256])
def test_bmp_with_any_palette_keeps_its_indices(tmp_path: Path, bits: int, colours: int) -> None:
    """Pillow alone would misread the indices if the palette is grey, or black and white."""
    values = np.random.default_rng(9).integers(0, min(2**bits, colours), (5, 13))
    for palette in (
        b"\0\0\0\0" + b"\xff\xff\xff\0" * (colours - 1),
        b"\xff\xff\xff\0" + b"\0\0\0\0" * (colours - 1),
        b"".join(bytes((i, i, i, 0)) for i in range(colours)),
    ):
        found = read(tmp_path, bmp(values, bits=bits, palette=palette), "a.bmp")
        assert np.array_equal(found.labels, values)


def test_compressed_bmp_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="compressed BMP"):
        read(tmp_path, bmp(LABELS, bits=8, palette=bytes(1024), compression=1), "a.bmp")


def test_the_kind_of_a_picture_is_recognised_by_its_content(tmp_path: Path) -> None:
    """A picture is read even with the suffix of another kind of picture."""
    assert read(tmp_path, encoded(Image.fromarray(LABELS), "tiff"), "a.png").stored == "TIFF, grey, 8-bit"
    assert read(tmp_path, encoded(Image.fromarray(LABELS), "png"), "a.BMP").stored == "PNG, grey, 8-bit"


@needs_data
def test_real_pictures_against_pillow() -> None:
    files = sorted(DATA.rglob("*.png"))
    assert files
    for path in files:
        with Image.open(path) as picture:
            assert np.array_equal(read_label_map(path).labels, np.asarray(picture))


@needs_data
def test_real_instance_maps_are_sixteen_bit() -> None:
    found = read_label_map(DATA / "nuclei" / "ref_2d.png")
    assert found.stored == "PNG, grey, 16-bit"
    assert len(np.unique(found.labels)) == 126
