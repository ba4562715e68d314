"""Write docs/results.schema.json, the JSON schema of results files; `python docs/make_schema.py` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path

from segeval.reports.results_schema import results_schema

PAGE = Path(__file__).resolve().parent / "results.schema.json"


def schema_file() -> str:
    """Return the text of the file."""
    return json.dumps(results_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(schema_file(), encoding="utf-8")
