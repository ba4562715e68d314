"""One module for each kind of thing that is printed or written; none computes a score.

`notation` decides how a number reads in a table for people. `case_table`, `run_summary` and their like say which tables
and lines there are, and print them with the `Printer` of `terminal`; `markdown` and `page` lay the same cells out.
`csv_files`, `json_files` and other files keep every digit for machines; `files` has them written by `segeval.writing`.
"""
