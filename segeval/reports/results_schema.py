"""The JSON schema of results files, for programs that read them or check them.

It describes the document of `segeval.reports.json_files.to_json`. Types and descriptions of the records are here, those
of the settings follow from the declared options. `docs/results.schema.json` is this schema as a file, which
`python docs/make_schema.py` writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from segeval.reports.json_files import FORMAT
from segeval.results.json_records import INFINITE
from segeval.results.rows import Status
from segeval.results.run_rows import Aggregate
from segeval.scoring.batch_options import BATCH_OPTIONS
from segeval.scoring.declaration import settings_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_LABEL: Schema = {"type": ["integer", "string"], "minimum": 0}
_TEXTS: Schema = {"type": "array", "items": _TEXT}


def results_schema() -> Schema:
    """Return the JSON schema of a results file.

    Examples
    --------
    >>> results_schema()["properties"]["scores"]["items"]["properties"]["value"]["type"]
    ['number', 'null']
    """
    return {
        "$schema": DIALECT,
        "title": "Results of segeval",
        "description": "Scores of predicted segmentations. An undefined number is null, and so is an infinite one.",
        **_record(
            {
                "format": ({"const": FORMAT}, "Layout of the document."),
                "tool": (_tool(), "The program that wrote it."),
                "signature": (_TEXT, "The conventions that the numbers depend on, in one line."),
                "footnote": (_TEXT, "The signature in short, for a paper."),
                "settings": (_settings(), "The settings of the run."),
                "shard": (_shard(), "The part of a sharded run that this is."),
                "warnings": (_TEXTS, "Remarks on the whole run."),
                "cases": (_list(_case()), "Every case, scored or not."),
                "scores": (_list(_score()), "Every score, by case, label and metric."),
                "counts": (_list(_counts()), "Voxel counts, by case and label."),
                "summary": (_list(_summary()), "Every metric over cases, and over groups of cases."),
                "gate": (_list(_verdict()), "Every requirement, and whether it was met."),
            },
            optional=("footnote", "shard", "warnings"),
        ),
    }


def _record(properties: Mapping[str, tuple[Schema, str]], *, optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "properties": {key: {**kind, "description": text} for key, (kind, text) in properties.items()},
        "required": [key for key in properties if key not in optional],
        "additionalProperties": False,
    }


def _list(record: Schema) -> Schema:
    return {"type": "array", "items": record}


def _tool() -> Schema:
    return _record({"name": ({"const": "segeval"}, "Its name."), "version": (_TEXT, "Its version.")})


def _settings() -> Schema:
    """Return the schema of the settings; those of a later version may be there too."""
    properties = {}
    for option in BATCH_OPTIONS.values():
        for setting in option.settings:
            properties[setting.key] = {**setting.kind.schema, "description": f"See {option.flags[-1]}."}
    always = [setting.key for setting in settings_of(BATCH_OPTIONS) if setting.key == "metrics"]
    return {"type": "object", "properties": properties, "required": always}


def _shard() -> Schema:
    return _record(
        {
            "part": ({"type": "string", "pattern": "^[0-9]+/[0-9]+$"}, "Number of the part, and how many there are."),
            "cases": (_COUNT, "Number of cases of the whole run."),
            "digest": (_TEXT, "Hash of the names and files of all cases: the same for all parts of a run."),
        }
    )


def _case() -> Schema:
    lengths = {"type": ["array", "null"], "minItems": 2, "maxItems": 3}
    return _record(
        {
            "case": (_TEXT, "Name of the case."),
            "status": ({"enum": list(get_args(Status))}, "Whether the case was scored, and if not, why."),
            "prediction": (_TEXT_OR_NULL, "The predicted map; null if there is none."),
            "reference": (_TEXT, "The reference map."),
            "shape": (
                {**lengths, "items": {"type": "integer", "minimum": 1}},
                "Voxels along each axis, in array order.",
            ),
            "spacing": (
                {**lengths, "items": {"type": "number", "exclusiveMinimum": 0}},
                "Size of a voxel along each axis, in array order.",
            ),
            "unit": ({"enum": ["mm", "px", None]}, "Unit of the spacing and of distances."),
            "voxels": ({"type": ["integer", "null"], "minimum": 0}, "Number of voxels that were compared."),
            "message": (_TEXT_OR_NULL, "Why the case was not scored."),
            "exit_code": ({"type": "integer", "minimum": 1, "maximum": 3}, "Exit code that the case causes, if not 0."),
            "warnings": (_TEXTS, "Remarks on the case."),
            "groups": (
                {"type": "object", "additionalProperties": _TEXT},
                "Column of the metadata -> value of the case, for the columns that the summary is grouped by.",
            ),
        },
        optional=("exit_code", "warnings", "groups"),
    )


_LABEL_TEXT = "Number of the label, name of the region, or all for a metric over all labels."


def _score() -> Schema:
    return _record(
        {
            "case": (_TEXT, "Name of the case."),
            "label": (_LABEL, _LABEL_TEXT),
            "name": (_TEXT_OR_NULL, "Name of the label."),
            "metric": (_TEXT, "The metric, such as dice or hd@95."),
            "value": (_NUMBER_OR_NULL, "The score; null if it is undefined or infinite."),
            "unit": (_TEXT_OR_NULL, "Unit of the score; null for a ratio."),
            "note": (_TEXT_OR_NULL, f"Why the score is undefined, which map lacks the label, or {INFINITE}."),
            "cause": (_TEXT, "The note that an infinite score has besides."),
        },
        optional=("cause",),
    )


def _counts() -> Schema:
    return _record(
        {
            "case": (_TEXT, "Name of the case."),
            "label": (_LABEL, "Number of the label, or name of the region."),
            "tp": (_COUNT, "Voxels in both maps."),
            "fp": (_COUNT, "Voxels in the prediction only."),
            "fn": (_COUNT, "Voxels in the reference only."),
            "tn": (_COUNT, "Voxels in neither map."),
        }
    )


def _summary() -> Schema:
    return _record(
        {
            "aggregate": (
                {"enum": list(get_args(Aggregate))},
                "cases: one label over cases. macro: mean over labels of their means. pooled: one label, from voxel "
                "counts summed over cases. macro_pooled: mean over labels of those.",
            ),
            "by": (_TEXT_OR_NULL, "Column of the metadata that the cases are grouped by; null for all cases."),
            "group": (_TEXT_OR_NULL, "Value of that column."),
            "label": ({**_LABEL, "type": ["integer", "string", "null"]}, f"{_LABEL_TEXT} Null in means over labels."),
            "name": (_TEXT_OR_NULL, "Name of the label."),
            "metric": (_TEXT, "The metric."),
            "unit": (_TEXT_OR_NULL, "Unit of the values; null for a ratio."),
            "n": (_COUNT, "Number of values: cases, or labels in a mean over labels."),
            "n_undefined": (_COUNT, "Cases without a value."),
            "n_missed": (_COUNT, "Of the n, cases in which the prediction lacks the label."),
            "n_false_alarm": (_COUNT, "Of the n, cases in which the reference lacks the label."),
            "n_absent": (_COUNT, "Scored cases with the label in neither map."),
            "n_failed": (_COUNT, "Cases that could not be scored."),
            "n_missing": (_COUNT, "Cases without a prediction."),
            "n_skipped": (_COUNT, "Cases that were left out."),
            "mean": (_NUMBER_OR_NULL, "Mean of the values."),
            "mean_found": (_NUMBER_OR_NULL, "Mean over the cases in which both maps have the label."),
            "sd": (_NUMBER_OR_NULL, "Standard deviation of the values."),
            "ci_low": (_NUMBER_OR_NULL, "Lower end of the 95 % interval of the mean."),
            "ci_high": (_NUMBER_OR_NULL, "Upper end of the 95 % interval of the mean."),
            "median": (_NUMBER_OR_NULL, "Median of the values."),
            "q1": (_NUMBER_OR_NULL, "Lower quartile of the values."),
            "q3": (_NUMBER_OR_NULL, "Upper quartile of the values."),
            "min": (_NUMBER_OR_NULL, "Smallest value."),
            "max": (_NUMBER_OR_NULL, "Largest value."),
            "worst_case": (_TEXT_OR_NULL, "Case with the worst value, by the direction of the metric."),
            "infinite": (_TEXTS, "Keys of this row that are null because their value is infinite."),
        },
        optional=("mean_found", "infinite"),
    )


def _verdict() -> Schema:
    return _record(
        {
            "requirement": (_TEXT, "The requirement, with the label that it is for."),
            "value": (_NUMBER_OR_NULL, "The value that was found; null if it is undefined or infinite."),
            "passed": ({"type": "boolean"}, "Whether the requirement was met."),
            "worst_case": (_TEXT_OR_NULL, "Case with the worst value, if there are several."),
            "note": ({"const": INFINITE}, "The value is infinite."),
        },
        optional=("note",),
    )
