"""Headers of every geometry that MetaImage, NRRD, GIPL and VTK can state: SimpleITK's answer, or a refusal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK

from segeval.reading import read_label_map
from tests.reading.test_damage import refusal
from tests.reading.test_volume import LABELS, MHA, NRRD, TILTED, assert_as_simpleitk_has_it, header_of, mha, nrrd, without
from tests.reading.test_wide import VTK, _locale, gipl, vtk

if TYPE_CHECKING:
    from pathlib import Path

sitk: Any = SimpleITK  # it has no types

__all__ = ["_locale"]  # a fixture
