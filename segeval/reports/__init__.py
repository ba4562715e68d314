"""One writer per format; each takes `Results` and returns text, or prints to a stream it is given.

`case_table` decides how a number reads in a table for people, and `terminal` and `markdown` lay the same cells out;
`csv_files` and `json_files` keep every digit for machines; `files` puts text on disk whole or not at all. No score is
computed here.
"""
