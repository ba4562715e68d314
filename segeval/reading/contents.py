"""Recognise the contents of a file that is not of the format that its suffix promises.

Most files that cannot be read are failed downloads, Git LFS or git-annex pointers, or files of another format. Each is
recognised by its first bytes, and the error message recommends what to do. This module knows the signatures of many
formats and reads none of them.
"""

from __future__ import annotations

import struct

from segeval.errors import InputError

GIPL_MAGICS = (struct.pack(">I", 719555000), struct.pack(">I", 4026526128))
AGAIN = "copy or export it again"  # the hint for a damaged file
HEAD_BYTES = 512  # enough for every signature below; the last one is that of NIfTI, at byte 344

_POINTERS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "run git lfs pull"),
    (b"/annex/objects/", "a git-annex pointer, not the file itself", "run git annex get"),
)
TIFF_SIGNATURES = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_SIGNATURES = (
    (0, b"\x89PNG", "a PNG picture", "name it .png"),
    (0, b"II*\x00", "a TIFF picture", "name it .tif"),
    (0, b"MM\x00*", "a TIFF picture", "name it .tif"),
    (0, b"\xff\xd8\xff", "a JPEG picture", "export the labels as PNG, because JPEG changes label values"),
    (0, b"GIF8", "a GIF picture", "convert it to PNG"),
    (0, b"\x1f\x8b", "gzip data", "decompress it first"),
    (0, b"PK\x03\x04", "a zip archive", "unpack it first"),
    (0, b"BZh", "bzip2 data", "decompress it, or compress it with gzip"),
    (0, b"\xfd7zXZ", "xz data", "decompress it, or compress it with gzip"),
    (0, b"\x28\xb5\x2f\xfd", "zstd data", "decompress it, or compress it with gzip"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive", "unpack it first"),
    (0, b"NRRD", "an NRRD image", "name it .nrrd"),
    (0, b"ObjectType", "a MetaImage", "name it .mha"),
    (0, b"# vtk DataFile", "a VTK file", "name it .vtk"),
    (0, b"\x89HDF", "an HDF5 file", "export the label map as .nii.gz"),
    (0, b"\x93NUMPY", "a NumPy array", "name it .npy"),
    (0, b"%PDF", "a PDF document", "check that this is the right file"),
    (128, b"DICM", "a DICOM file", "convert it to .nii.gz"),
    *((252, magic, "a GIPL image", "name it .gipl") for magic in GIPL_MAGICS),
)
_NIFTI_MAGICS = {344: (b"n+1\x00", b"ni1\x00"), 4: (b"n+2\x00", b"ni2\x00")}


def unexpected(head: bytes, *, expected: str, source: str) -> InputError:
    """Return the error for a file that does not start like a file of the expected format.

    Parameters
    ----------
    head
        The first `HEAD_BYTES` bytes of the file, or all if it is shorter.
    expected
        The expected format, such as ``"a NIfTI file"``.
    source
        The file, for the message.

    Returns
    -------
    InputError
        Names the format that the file seems to have, and what to do.

    Examples
    --------
    >>> print(unexpected(b"<!DOCTYPE html><html>", expected="a NIfTI file", source="liver.nii.gz"))
    liver.nii.gz: expected a NIfTI file, found a web page; download the file again
    """
    found, hint = _looks_like(head)
    return InputError(f"expected {expected}, found {found}", source=source, hint=hint)


def _looks_like(head: bytes) -> tuple[str, str]:
    """Name the format of the bytes, and what to do."""
    for signature, found, hint in _POINTERS:
        if head.startswith(signature):
            return found, hint
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")) or b"<html" in text:
        return "a web page", "download the file again"
    for at, signature, found, hint in _SIGNATURES:
        if head.startswith(signature, at):
            return found, hint
    if any(head[at : at + 4] in magics for at, magics in _NIFTI_MAGICS.items()):
        return "a NIfTI file", "name it .nii or .nii.gz"
    if head[:2] == b"BM" and not head[6:10].strip(b"\x00"):
        return "a BMP picture", "name it .bmp"
    if not head.strip(b"\x00"):
        return "only zero bytes", "copy or download it again"
    return _looks_like_text(text)


def _looks_like_text(text: bytes) -> tuple[str, str]:
    if not all(byte >= 0x20 or byte in b"\t\r\n\f" for byte in text):
        return "data of an unknown format", "export it again, or check that this is the right file"
    if text.startswith(b"<"):
        return "XML text", "download it again: this may be the error message of a server"
    if text.startswith((b"{", b"[")):
        return "JSON text", "check that this is the right file"
    return "plain text", "check that this is the right file, or download it again"
