"""Every damaged file raises an InputError with a message of one line, and is never read as another label map.

A flipped bit may leave labels and grid as they are, such as one in the time stamp of a gzip file. Then the right labels
are read.
"""

from __future__ import annotations

import gzip
import io
import os
import socket
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from segeval.errors import InputError
from segeval.reading import read_label_map
from segeval.reading.formats import suffixes
from tests import corrupt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segeval.maps.label_map import LabelMap

nib: Any = nibabel  # many of its functions have no types

RNG = np.random.default_rng(20)
LABELS = np.repeat(RNG.integers(0, 5, (7, 6, 5)), 2, axis=2).astype(np.uint8)  # (z, y, x)


def nifti(values: np.ndarray = LABELS, *, affine: np.ndarray | None = None) -> bytes:
    affine = np.diag([0.5, 1.5, 2.0, 1.0]) if affine is None else affine
    return bytes(nib.Nifti1Image(values.transpose(2, 1, 0), affine).to_bytes())


def refusal(path: Path, data: bytes) -> str:
    """Return the message for a file with these bytes: it must be one printable line that starts with the file name."""
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_label_map(path)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(f"{path}: ")
    return line


def refused(path: Path, data: bytes) -> bool:
    """Return whether the file is refused with one printable line; any other exception is an error."""
    path.write_bytes(data)
    try:
        read_label_map(path)
    except InputError as error:
        line = str(error)
    else:
        return False
    assert line.isprintable()
    return True


def check_refused(path: Path, damages: Iterable[corrupt.Damage]) -> int:
    """Check that all damaged files are refused, and return their number."""
    count = 0
    for what, data in damages:
        assert refused(path, data), f"read without an error: {what}"
        count += 1
    return count


def check_no_other_exception(path: Path, damages: Iterable[corrupt.Damage]) -> None:
    """Check formats without checksums, where a damaged picture may still be a valid one."""
    for _, data in damages:
        refused(path, data)


def check_harmless_or_refused(path: Path, damages: Iterable[corrupt.Damage], good: LabelMap) -> int:
    """Check that all damaged files are refused or read exactly as the good one, and return how many were refused."""
    count = 0
    for what, data in damages:
        path.write_bytes(data)
        try:
            found = read_label_map(path)
        except InputError:
            count += 1
            continue
        assert np.array_equal(found.labels, good.labels), what
        assert (found.grid, found.names) == (good.grid, good.names), what
    return count


def read_bytes(path: Path, data: bytes) -> LabelMap:
    path.write_bytes(data)
    return read_label_map(path)


def test_cut_nifti(tmp_path: Path) -> None:
    assert check_refused(tmp_path / "a.nii.gz", corrupt.cut(gzip.compress(nifti()))) > 40
    assert check_refused(tmp_path / "a.nii", corrupt.cut(nifti())) > 40


@pytest.mark.slow
def test_flipped_bits_in_gzipped_nifti(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    data = gzip.compress(nifti(), mtime=0)
    good = read_bytes(path, data)
    damages = list(corrupt.flipped(data, 1500))
    harmful = sum(unzipped(damaged) != nifti() for _, damaged in damages)
    assert check_harmless_or_refused(path, damages, good) == harmful > 1400


def unzipped(data: bytes) -> bytes | None:
    """Decompress gzip data with the standard library; None if it is damaged."""
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None


def test_flipped_bits_in_the_header_of_plain_nifti_never_raise_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    data = nifti()
    for place in range(0, 352 * 8, 3):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            found = read_label_map(path)
        except InputError:
            continue
        assert found.labels.size == LABELS.size


def test_wrong_gzip_ends(tmp_path: Path) -> None:
    assert check_refused(tmp_path / "a.nii.gz", corrupt.with_other_gzip_ends(gzip.compress(nifti()))) == 9


def test_headers_that_do_not_fit(tmp_path: Path) -> None:
    assert check_refused(tmp_path / "a.nii", corrupt.with_other_headers(nifti())) > 50
    packed = ((what, gzip.compress(data, 1)) for what, data in corrupt.with_other_headers(nifti()))
    assert check_refused(tmp_path / "a.nii.gz", packed) > 50


def test_nifti_2_headers_that_do_not_fit(tmp_path: Path) -> None:
    data = bytes(nib.Nifti2Image(LABELS.T, np.eye(4)).to_bytes())
    huge = 2**62
    changes: list[dict[str, object]] = [
        {"dim_0": 0},
        {"dim_1": huge},
        {"dim_1": -1},
        {"dim_0": 4, "dim_4": 3},
        {"vox_offset": 540},
        {"vox_offset": huge},
        {"vox_offset": -544},
        {"datatype": 4},
        {"bitpix": 16},
        {"magic": b"ni2\0\r\n\x1a\n"},
        {"magic": b"n+1\0\r\n\x1a\n"},
        {"magic": b"n+2\0\n\n\x1a\n"},
        {"sizeof_hdr": 348},
    ]
    damages = [(str(change), corrupt.patched(data, **change)) for change in changes]
    assert check_refused(tmp_path / "a.nii", damages) == len(changes)
    assert check_refused(tmp_path / "a.nii", corrupt.cut(data)) > 40


def test_wrong_lengths(tmp_path: Path) -> None:
    assert check_refused(tmp_path / "a.nii", corrupt.with_other_lengths(nifti())) == 5
    packed = ((what, gzip.compress(data)) for what, data in corrupt.with_other_lengths(nifti()))
    assert check_refused(tmp_path / "a.nii.gz", packed) == 5


def test_messages_say_expected_and_found(tmp_path: Path) -> None:
    needed = 352 + LABELS.size
    line = refusal(tmp_path / "a.nii", nifti()[:-5])
    assert f"the file is cut short: the header needs {needed:,} bytes, found {needed - 5:,}; copy or export it" in line
    line = refusal(tmp_path / "a.nii.gz", gzip.compress(nifti()[:-5]))
    assert f"the file is cut short: expected {LABELS.size} bytes of voxels, found {LABELS.size - 5}" in line
    assert "checksum" in refusal(tmp_path / "a.nii.gz", gzip.compress(nifti())[:-8] + bytes(8))
    line = refusal(tmp_path / "a.nii", corrupt.patched(nifti(), dim_0=4, dim_4=6))
    assert "expected a label map with one volume, found 6 (10 x 6 x 7 x 6); to read a probability map: --prob" in line


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.where(LABELS == 1, np.nan, LABELS).astype(np.float32), "NaN or infinite"),
        (np.where(LABELS == 1, np.inf, LABELS).astype(np.float64), "NaN or infinite"),
        (LABELS.astype(np.int16) - 1, "negative ones down to -1"),
        (LABELS.astype(np.float32) * np.float32(0.9996), "fractions such as 0.9996"),
        (LABELS.astype(np.complex64), "complex"),
        (LABELS.astype([("R", "u1"), ("G", "u1"), ("B", "u1")]), "RGB colours"),
        (np.stack([LABELS] * 2).astype(np.float32), "label map with one volume, found 2"),
    ],
)
def test_values_that_are_not_labels(tmp_path: Path, values: np.ndarray, said: str) -> None:
    image = nib.Nifti1Image(values.T, np.eye(4))
    assert said in refusal(tmp_path / "a.nii.gz", gzip.compress(image.to_bytes()))


@pytest.mark.slow
def test_bombs_take_little_memory(tmp_path: Path) -> None:
    for what, data in corrupt.bombs(nifti()[:352]):
        path = tmp_path / "bomb.nii.gz"
        path.write_bytes(data)
        tracemalloc.start()
        with pytest.raises(InputError):
            read_label_map(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        allowed = 3 * 6e7 if "extensions of 60 MB" in what else 5e6
        assert peak < allowed, f"{what}: {peak:,} bytes"


def test_header_that_claims_too_much_is_refused_by_its_ratio(tmp_path: Path) -> None:
    huge = corrupt.patched(nifti()[:352], dim_1=1000, dim_2=1000, dim_3=1000)
    line = refusal(tmp_path / "a.nii.gz", gzip.compress(huge))
    assert (
        "the file is too small: the header needs 1,000,000,352 bytes, more than gzip data of this size can hold" in line
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory that the system keeps")
def test_no_memory(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "a.nii.gz"
    shape = {"dim_1": 1000, "dim_2": 1000, "dim_3": 500}
    path.write_bytes(gzip.compress(corrupt.patched(nifti()[:352], **shape) + bytes(500_000_000), 1))
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000, before[1]))
    try:
        with pytest.raises(InputError, match="memory"):
            read_label_map(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_impostors(tmp_path: Path) -> None:
    for suffix in suffixes("labels"):
        assert check_refused(tmp_path / f"a{suffix}", corrupt.impostors()) > 20


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("a web page", "found a web page; download the file again"),
        ("a web page in gzip", "found a web page"),
        ("an XML error", "XML text"),
        ("a Git LFS pointer", "a Git LFS pointer, not the file itself; run git lfs pull"),
        ("a git-annex pointer", "run git annex get"),
        ("JSON", "JSON text"),
        ("text", "plain text"),
        ("zeros", "only zero bytes"),
        ("noise", "data of an unknown format"),
        ("a zip archive", "unpack it first"),
        ("a DICOM file", "a DICOM file; convert"),
        ("an Analyze 7.5 header", "an Analyze 7.5 header; convert it to .nii.gz"),
        ("the header of a pair", "pair; name it .hdr and put its .img file next to it"),
        ("gzip in gzip", "found gzip data; decompress it first"),
    ],
)
def test_impostors_are_named(tmp_path: Path, what: str, said: str) -> None:
    assert said in refusal(tmp_path / "a.nii.gz", dict(corrupt.impostors())[what])


def test_files_with_the_suffix_of_another_format(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.fromarray(LABELS[0]).save(picture, "png")
    assert "a PNG picture; name it .png" in refusal(tmp_path / "a.nii", picture.getvalue())
    assert "a NIfTI file; name it .nii" in refusal(tmp_path / "a.png", nifti())
    assert "a JPEG" in refusal(tmp_path / "a.png", dict(corrupt.impostors())["a JPEG picture"])


def test_missing_and_empty(tmp_path: Path) -> None:
    assert "the file is empty" in refusal(tmp_path / "a.nii.gz", b"")
    with pytest.raises(InputError, match="no such file"):
        read_label_map(tmp_path / "missing.nii.gz")
    with pytest.raises(InputError, match=r"null (byte|character)"):
        read_label_map("a\0.nii.gz")
    with pytest.raises(InputError, match="too long"):
        read_label_map("a" * 5000 + ".nii.gz")


def test_not_a_regular_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder.nii.gz"
    folder.mkdir()
    with pytest.raises(InputError, match="expected a regular file, found a folder"):
        read_label_map(folder)
    with pytest.raises(InputError, match="found a folder"):
        read_label_map(tmp_path)
    device = tmp_path / "device.nii.gz"
    device.symlink_to(os.devnull)
    with pytest.raises(InputError, match="found a device"):
        read_label_map(device)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a Unix feature")
def test_pipes_and_sockets_do_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe.nii.gz"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="found a named pipe"):
        read_label_map(pipe)
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.png")
        with pytest.raises(InputError, match="found a socket"):
            read_label_map("s.png")


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes are a Unix feature")
def test_a_pipe_put_in_place_of_a_file_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program may replace the file by a pipe between the check and the opening."""
    file, pipe = tmp_path / "b.png", tmp_path / "a.png"
    file.write_bytes(encoded(PICTURE, "png"))
    os.mkfifo(pipe)
    status = file.stat()
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", lambda *_, **__: status)
        with pytest.raises(InputError, match="expected a regular file, found a named pipe"):
            read_label_map(pipe)


def test_links(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(nifti())
    link = tmp_path / "link.nii"
    link.symlink_to(target)
    assert np.array_equal(read_label_map(link).labels, LABELS)
    broken = tmp_path / "broken.nii"
    broken.symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"a symbolic link to a missing file, .*gone"):
        read_label_map(broken)
    annexed = tmp_path / "annexed.nii"
    annexed.symlink_to(".git/annex/objects/x")
    with pytest.raises(InputError, match="run git annex get"):
        read_label_map(annexed)
    loop = tmp_path / "loop.nii"
    loop.symlink_to(loop)
    with pytest.raises(InputError, match="cannot be opened"):
        read_label_map(loop)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the super-user may read everything")
def test_permission_denied(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(nifti())
    path.chmod(0)
    with pytest.raises(InputError, match="permission denied"):
        read_label_map(path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/liver\xff.nii")
    Path(name).write_bytes(nifti())
    with pytest.raises(InputError, match=r"liver\\xff.nii: the file name is not valid UTF-8.*rename"):
        read_label_map(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.xyz", "unknown file format '.xyz'; use .nii.gz, .nii, .hdr"),
        ("a.gz", "unknown file format '.gz'"),
        ("a", "unknown file format (no suffix)"),
        ("a.hdr", "found a single NIfTI file; name it .nii or .nii.gz"),
        ("a.IMG", "not read from .img files; use the .hdr header next to it"),
        ("a.jpg", "not read from .jpg files; export the labels as PNG, because JPEG changes label values"),
        ("a.dcm", "not read from .dcm files; convert it to .nii.gz"),
    ],
)
def test_unknown_suffixes(tmp_path: Path, name: str, said: str) -> None:
    assert said in refusal(tmp_path / name, nifti())


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


PICTURE = Image.fromarray(np.kron(LABELS[0], np.ones((4, 3), np.uint8)))


def test_damaged_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    data = encoded(PICTURE, "png")
    assert check_refused(path, corrupt.cut(data)) > 30
    assert check_refused(path, corrupt.flipped(data, 1500)) > 500
    assert check_refused(path, corrupt.damaged_pngs()) > 20


def test_png_bombs_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for what, data in corrupt.damaged_pngs():
        if what in ("a bomb", "billions of pixels"):
            path.write_bytes(data)
            tracemalloc.start()
            with pytest.raises(InputError):
                read_label_map(path)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 2e6, what


TIFF_COMPRESSIONS = ["raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "lzma"]


@pytest.mark.slow
@pytest.mark.parametrize("compression", TIFF_COMPRESSIONS)
def test_damaged_tiff(tmp_path: Path, compression: str) -> None:
    """Only deflate has a checksum: with the others a flipped bit of the pixels may go unnoticed, but never a cut."""
    path = tmp_path / "a.tif"
    data = encoded(PICTURE, "tiff", compression=compression)
    assert check_refused(path, corrupt.cut(data)) > 30
    check_no_other_exception(path, corrupt.flipped(data, 300))


def tiff_pixels(data: bytes) -> tuple[int, int]:
    """Return where the strips of a little-endian TIFF start and end; Pillow writes them one after the other."""
    directory = TiffImagePlugin.TiffImageFile(io.BytesIO(data)).tag_v2
    return directory[273][0], directory[273][-1] + directory[279][-1]


def entry_value(data: bytes, tag: int) -> int:
    """Return where the only value of a tag starts in a little-endian TIFF."""
    entries = (data.find(struct.pack("<HHI", tag, kind, 1)) for kind in (3, 4))
    return next(at for at in entries if at >= 0) + 8


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"strip_size": 256}, {"tiffinfo": {270: "a text", 282: 3.0}}])
@pytest.mark.parametrize("compression", TIFF_COMPRESSIONS)
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int32"])
def test_every_flipped_bit_of_tiff_outside_its_pixels(
    tmp_path: Path, kind: str, compression: str, options: dict[str, Any]
) -> None:
    """A TIFF has no checksum for its tags, but no flip in them changes the labels, and most are refused."""
    path = tmp_path / "a.tif"
    picture = Image.fromarray(np.kron(LABELS[0], np.ones((4, 3))).astype(kind))
    data = encoded(picture, "tiff", compression=compression, **options)
    damages = list(corrupt.flipped_outside(data, *tiff_pixels(data)))
    assert len(damages) > 900
    refused = check_harmless_or_refused(path, damages, read_bytes(path, data))
    assert refused > 0.5 * len(damages)


@pytest.mark.slow
@pytest.mark.parametrize("compression", TIFF_COMPRESSIONS)
@pytest.mark.parametrize(
    ("kind", "unnoticed"),
    [
        # Black or white is 0, which is one bit; and a row of 30 pixels takes the same bytes as one of 31, 28 or 26.
        ("bool", {262: [0], 256: [0, 1, 2]}),
        ("float32", {339: [0, 1]}),  # the same 32 bits as an unsigned or signed integer
    ],
)
def test_the_only_flips_of_tiff_that_cannot_be_noticed(
    tmp_path: Path, kind: str, unnoticed: dict[int, list[int]], compression: str
) -> None:
    path = tmp_path / "a.tif"
    data = encoded(Image.fromarray(np.asarray(PICTURE).astype(kind)), "tiff", compression=compression)
    known = {f"bit {bit} of byte {entry_value(data, tag)} flipped" for tag, bits in unnoticed.items() for bit in bits}
    damages = dict(corrupt.flipped_outside(data, *tiff_pixels(data)))
    assert known < set(damages)
    rest = [(what, damaged) for what, damaged in damages.items() if what not in known]
    check_harmless_or_refused(path, rest, read_bytes(path, data))


def test_flipped_bits_in_the_pixels_of_deflated_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    data = encoded(PICTURE, "tiff", compression="tiff_adobe_deflate")
    good = read_bytes(path, data)
    start, end = tiff_pixels(data)
    damages = [
        (what, data[:start] + pixels + data[end:])
        for what, pixels in corrupt.flipped(data[start:end], 8 * (end - start))
    ]
    assert check_harmless_or_refused(path, damages, good) > 0.95 * len(damages)


def test_pictures_too_large_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """A PNG of 2 MB can have two thousand million pixels, and a sparse file of any size is easy to make."""
    path = tmp_path / "a.png"
    pixels = zlib.compress(bytes(1 << 16))
    start = corrupt.png(50_000, 40_000, depth=8, colour=0, rows=pixels)
    tracemalloc.start()
    assert "expected at most 268,435,456 pixels, found 50,000 x 40,000" in refusal(path, start)
    for head, said in ((b"", "only zero bytes"), (start, "expected at most 2,147,483,648 bytes")):
        path.write_bytes(head)
        os.truncate(path, 6 << 30)
        with pytest.raises(InputError, match=said):
            read_label_map(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6


@pytest.mark.slow
def test_a_picture_is_not_copied_more_than_needed(tmp_path: Path) -> None:
    """The memory of Pillow is not traced; apart from it, one copy and a band are allocated."""
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(np.zeros((10_000, 10_000), np.uint8)), "png"))
    tracemalloc.start()
    read_label_map(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.3e8


def test_damaged_bmp(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    data = encoded(PICTURE, "bmp")
    assert check_refused(path, corrupt.cut(data)) > 30
    assert check_refused(path, [("a page too many", data + bytes(4096))]) == 1
    check_no_other_exception(path, corrupt.flipped(data, 400))


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the log of nibabel nor messages of other libraries reach the terminal."""
    check_refused(tmp_path / "a.nii", corrupt.with_other_headers(nifti()))
    check_refused(tmp_path / "a.png", corrupt.damaged_pngs())
    read_bytes(tmp_path / "a.nii", corrupt.patched(nifti(), scl_slope=0.0, xyzt_units=0))
    assert capfd.readouterr() == ("", "")
