"""Find the cases in two folders or in a table of pairs.

Every reference is a case, so that no missing prediction goes unnoticed. Only names decide; if several files fit, the
case gets a problem that names them, and nothing is guessed. If names are not read literally, a remark says how. Paths
are joined to the folders as they were given and not resolved; the name of a case has "/" between its parts.

`listing` lists the files and `items` selects them; `entities` and `names` match them, `near` suggests similar names,
and `advice` suggests patterns.
"""

from __future__ import annotations

from segeval.pairing.folders import pair_folders
from segeval.pairing.matches import Pairing
from segeval.pairing.tables import read_pairs

__all__ = ["Pairing", "pair_folders", "read_pairs"]
