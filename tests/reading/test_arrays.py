"""NumPy files: label arrays come back as they were saved, and everything else is refused without being evaluated."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from segeval.errors import InputError
from segeval.reading import read_label_map
from tests import corrupt
from tests.reading.test_damage import check_harmless_or_refused, check_refused, read_bytes, refusal, refused

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

RNG = np.random.default_rng(22)
LABELS = np.repeat(RNG.integers(0, 5, (7, 6, 5)), 2, axis=2).astype(np.uint8)  # (z, y, x)


def npy(values: ArrayLike = LABELS, *, version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(values), version=version)
    return buffer.getvalue()


def npz(arrays: dict[str, np.ndarray] | None = None, *, compressed: bool = True) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **(arrays or {"arr_0": LABELS}))  # type: ignore[arg-type]
    return buffer.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def with_header(text: str, data: bytes = LABELS.tobytes()) -> bytes:
    """A .npy file with any text as its header."""
    raw = text.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + data


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "<u2", ">u2", "<i4", ">i8", "u8", "f2", "<f4", ">f8"])
@pytest.mark.parametrize("layout", ["C", "F", "2-D", "2-D F"])
def test_what_numpy_saves(tmp_path: Path, dtype: str, layout: str) -> None:
    values = LABELS.astype(dtype)
    values = np.asfortranarray(values) if layout == "F" else values
    values = values[0] if layout == "2-D" else values
    values = values[0].T if layout == "2-D F" else values
    for data, name in (
        (npy(values), "a.npy"),
        (npy(values, version=(2, 0)), "b.npy"),
        (npy(values, version=(3, 0)), "c.npy"),
        (npz({"arr_0": values}), "a.npz"),
        (npz({"arr_0": values}, compressed=False), "b.npz"),
    ):
        found = read_bytes(tmp_path / name, data)
        assert np.array_equal(found.labels, values)
        assert found.labels.dtype == np.uint8
        assert found.labels.flags.c_contiguous
        assert (found.grid.unit, found.grid.spacing) == ("px", (1.0,) * values.ndim)
        assert found.stored.startswith("NumPy")


def test_a_large_label_keeps_its_number(tmp_path: Path) -> None:
    values = np.array([[0, 70_000], [2**40, 1]])
    assert np.array_equal(read_bytes(tmp_path / "a.npy", npy(values)).labels, values)


@pytest.mark.parametrize("key", ["labels", "segmentation", "seg", "arr_0"])
def test_the_array_with_a_known_name_is_read(tmp_path: Path, key: str) -> None:
    other: dict[str, np.ndarray] = {"image": LABELS.astype(np.float32) / 3, "spacing": np.ones(3)}
    found = read_bytes(tmp_path / "a.npz", npz({**other, key: LABELS}))
    assert np.array_equal(found.labels, LABELS)
    assert np.array_equal(read_bytes(tmp_path / "b.npz", npz({"anything": LABELS})).labels, LABELS)
    assert np.array_equal(read_bytes(tmp_path / "b.npz", zipped({"read me.txt": b"x", "a.npy": npy()})).labels, LABELS)


def test_several_arrays_without_a_known_name(tmp_path: Path) -> None:
    line = refusal(tmp_path / "a.npz", npz({"liver": LABELS, "spleen": LABELS}))
    assert (
        "the archive has 2 arrays: liver, spleen; "
        "save only one, or call one of them labels, segmentation, seg or arr_0" in line
    )
    assert "has 2 arrays: labels, seg" in refusal(tmp_path / "a.npz", npz({"labels": LABELS, "seg": LABELS}))
    line = refusal(tmp_path / "a.npz", npz({f"x{number}": LABELS for number in range(30)}))
    assert "has 30 arrays: x0, x1, x2, x3, x4, x5, x6, x7, x8, x9 and 20 more" in line
    assert "the archive has no array" in refusal(tmp_path / "a.npz", zipped({"a.txt": b"x"}))
    assert "the archive has no array" in refusal(tmp_path / "a.npz", zipped({}))


def test_names_of_members_are_never_opened(tmp_path: Path) -> None:
    """A name is compared and shown, but never opened."""
    data = zipped({"../../../etc/passwd.npy": npy()})
    assert np.array_equal(read_bytes(tmp_path / "a.npz", data).labels, LABELS)
    line = refusal(tmp_path / "a.npz", zipped({"/etc/\x1b[31m.npy": npy(), "b.npy": npy()}))
    assert "/etc/\\x1b[31m, b" in line


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([[1, None]], object), "found Python objects"),
        (np.array([["a", "b"]]), "values of type '<U1'"),
        (LABELS.astype(np.complex64), "values of type '<c8'"),
        (LABELS.astype("m8[s]"), "values of type '<m8[s]'"),
        (np.zeros((2, 2), [("a", "u1"), ("b", "u1")]), "records with several values"),
        (LABELS.astype(np.int16) - 1, "negative ones down to -1"),
        (LABELS / 2, "fractions such as 0.5"),
        (np.where(LABELS == 1, np.nan, LABELS), "NaN or infinite"),
        (
            np.stack([LABELS / 4] * 2),
            "expected 2 or 3 axes, found shape (2, 7, 6, 10); to read a probability map: --prob",
        ),
        (LABELS[0, 0], "expected 2 or 3 axes, found shape (10)"),
        (np.uint8(1), "expected 2 or 3 axes, found shape ()"),
        (np.zeros((0, 4), np.uint8), "the array has no voxels: shape (0, 4)"),
    ],
)
def test_arrays_that_are_not_labels(tmp_path: Path, values: np.ndarray, said: str) -> None:
    assert said in refusal(tmp_path / "a.npy", npy(values))
    assert said in refusal(tmp_path / "a.npz", zipped({"a.npy": npy(values)}))


def test_headers_that_others_write(tmp_path: Path) -> None:
    for text in (
        "{'descr': '|u1', 'fortran_order': False, 'shape': (7, 6, 10), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (7, 6, 10)}  \n",
        "{'descr':'u1','fortran_order':False,'shape':(7L,6L,10L)}",
    ):
        assert np.array_equal(read_bytes(tmp_path / "a.npy", with_header(text)).labels, LABELS)


def test_headers_that_do_not_fit(tmp_path: Path) -> None:
    good = "{'descr': '|u1', 'fortran_order': False, 'shape': (7, 6, 10), }"
    shapes = ("(7, 6, 11)", "(7, 6, 9)", "(7, 6, -10)", "(7, 6, 1e1)", "(7, 6", "7, 6, 10", "(7, 6, (10,))", "(7,, 60)")
    more = ("(7, 6, 99999999999999999999)", "(7 6, 10)", "()", "(,)", "(420,)", "(7, 6, 10, 1)", "(7L6, 10)")
    texts = [good.replace("(7, 6, 10)", shape) for shape in (*shapes, *more)]
    kinds = (
        "'<u2'",
        "'|O'",
        "'|b1'.x",
        "'u3'",
        "''",
        "None",
        "'|u1",
        "__import__('os').abort()",
        "'b2'",
        "'<f16'",
        "'f1'",
    )
    texts += [good.replace("'|u1'", kind) for kind in kinds]
    texts += [good.replace("False", order) for order in ("0", "None", "Falsch")]
    texts += ["", "{}", good[:-1], good + good, good + "# comment", "[" * 5000, good.replace("descr", "dtype")]
    texts += [good.replace("'shape'", "'x': 1, 'shape'"), " " * 9000 + good, good + "\0"]
    assert check_refused(tmp_path / "a.npy", [(text, with_header(text)) for text in texts]) == len(texts)
    inside = [(text, zipped({"a.npy": with_header(text)})) for text in texts]
    assert check_refused(tmp_path / "a.npz", inside) == len(texts)
    versions = [
        (f"version {major}.{minor}", npy()[:6] + bytes([major, minor]) + npy()[8:])
        for major, minor in ((0, 1), (1, 1), (4, 0))
    ]
    assert check_refused(tmp_path / "a.npy", versions) == 3
    assert "at most 10,000 bytes" in refusal(tmp_path / "a.npy", with_header(good + " " * 20_000))


def test_cut_and_longer_files(tmp_path: Path) -> None:
    for name, data in (("a.npy", npy()), ("a.npz", npz()), ("b.npz", npz(compressed=False))):
        assert check_refused(tmp_path / name, corrupt.cut(data)) > 40
        more = [
            ("a byte more", data + b"\0"),
            ("a page more", data + bytes(4096)),
            ("twice", data + data[: len(data) // 2]),
        ]
        assert check_refused(tmp_path / name, more) == 3
    for size, said in ((-1, "cut short: the header needs 548 bytes, found 547"), (1, "too long: the header needs")):
        inside = npy() + b"\0" if size > 0 else npy()[:-1]
        assert f"the file is {said}" in refusal(tmp_path / "a.npz", zipped({"a.npy": inside}))


@pytest.mark.slow
def test_flipped_bits(tmp_path: Path) -> None:
    """The checksums of the archive cover header and voxels; a flip elsewhere is refused or changes nothing."""
    for name, data in (("a.npz", npz()), ("b.npz", npz(compressed=False))):
        good = read_bytes(tmp_path / name, data)
        assert check_harmless_or_refused(tmp_path / name, corrupt.flipped(data, 1500), good) > 500


@pytest.mark.slow
def test_mutated_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, data in (
        ("a.npz", npz()),
        ("b.npz", npz(compressed=False)),
        ("c.npz", npz({"labels": LABELS, "other": LABELS})),
    ):
        good = read_bytes(tmp_path / name, data)
        assert check_harmless_or_refused(tmp_path / name, corrupt.mutated(data, 900), good) > 500
    data = npy()
    good = read_bytes(tmp_path / "a.npy", data)
    damages = list(corrupt.mutated(data, 900, upto=len(data) - LABELS.size))
    unlike = [damage for damage in damages if b"True" not in damage[1] and b"'|i1'" not in damage[1]]
    assert check_harmless_or_refused(tmp_path / "a.npy", unlike, good) > 500
    assert capfd.readouterr() == ("", "")


def test_directories_that_do_not_fit(tmp_path: Path) -> None:
    data = zipped({"a.npy": npy()}, zipfile.ZIP_STORED)
    good = read_bytes(tmp_path / "a.npz", data)
    damages = list(corrupt.with_other_directories(data))
    assert check_harmless_or_refused(tmp_path / "a.npz", damages, good) > 0.7 * len(damages)


def test_other_archives(tmp_path: Path) -> None:
    assert "compression method 12 of the archive is not supported" in refusal(
        tmp_path / "a.npz", zipped({"a.npy": npy()}, zipfile.ZIP_BZIP2)
    )
    assert refused(tmp_path / "a.npz", zipped({"a.npy": npy()}, zipfile.ZIP_LZMA))
    locked = bytearray(zipped({"a.npy": npy()}))
    locked[6] |= 1
    assert "the archive is encrypted" in refusal(tmp_path / "a.npz", bytes(locked))
    commented = zipped({"a.npy": npy()})
    commented = commented[:-2] + struct.pack("<H", 5) + b"hello"
    assert "extra data after its end" in refusal(tmp_path / "a.npz", commented)
    assert refused(tmp_path / "a.npz", b"#!/bin/sh\n" + npz())
    assert "found a NumPy array; name it .npy" in refusal(tmp_path / "a.npz", npy())
    assert "found a zip archive" in refusal(tmp_path / "a.npy", npz())


def test_streamed_archives(tmp_path: Path) -> None:
    """In an archive that was written to a pipe, sizes and checksum follow a member and are not in its header."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.npy", npy())
    assert np.array_equal(read_bytes(tmp_path / "a.npz", pipe.getvalue()).labels, LABELS)


def test_bombs_take_little_memory(tmp_path: Path) -> None:
    zeros = bytes(1 << 26)
    claims = with_header("{'descr': '|u1', 'fortran_order': False, 'shape': (4096, 4096, 4096), }", b"")
    honest = with_header("{'descr': '|u1', 'fortran_order': False, 'shape': (7, 6, 10), }", zeros)
    lying = bytearray(zipped({"a.npy": claims + LABELS.tobytes()}))
    at = lying.rindex(b"PK\x01\x02") + 24
    lying[at : at + 4] = lying[22:26] = struct.pack("<I", 0xFFFFFFF0)
    bombs = {
        "a.npz": zipped({"a.npy": honest}),
        "b.npz": zipped({"a.npy": claims}),
        "c.npz": bytes(lying),
        "d.npz": zipped({f"{number}.txt": b"" for number in range(1000)}),
        "a.npy": claims,
        "b.npy": b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + bytes(100),
    }
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
        tracemalloc.start()
        with pytest.raises(InputError):
            read_label_map(tmp_path / name)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2e6, name


def test_a_huge_directory_is_refused(tmp_path: Path) -> None:
    names = {f"{number:05}{'x' * 900}.npy": b"" for number in range(5000)}
    assert "the zip directory is too large" in refusal(tmp_path / "a.npz", zipped(names))
