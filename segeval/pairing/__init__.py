"""Two folders, or a table of pairs, to cases: every reference is accounted for.

A case is a reference, so that a prediction that is missing shows. Names alone decide, and where they leave a choice
there is a problem that names the files, never a guess. What was read otherwise than the names plainly say is told in a
remark. Paths are those of the folders as they were given, joined and not resolved; a name has "/" between its parts.

`listing` says what files there are and `items` which of them count; `entities` and `names` find what belongs together,
`near` what nearly does, and `advice` how to tell what the names do not.
"""

from __future__ import annotations

from segeval.pairing.folders import pair_folders
from segeval.pairing.matches import Pairing
from segeval.pairing.tables import read_pairs

__all__ = ["Pairing", "pair_folders", "read_pairs"]
