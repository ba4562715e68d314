"""Printed tables and written files, one module for each kind; none computes a score.

`notation` formats the numbers in tables for people. `case_table`, `run_summary` and other modules of tables make tables
and lines, and print them with the `Printer` of `terminal`; `markdown` and `page` show the same cells.
`csv_files`, `json_files` and other modules of files keep every digit for machines; `files` passes them to
`segeval.writing`.
"""
