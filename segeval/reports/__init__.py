"""One writer per format; each takes `Results` and returns text, or prints to a stream it is given.

`sheets` decides how a number reads in a table for people, and `console` and `markdown` lay the same cells out;
`tabular` and `document` keep every digit for machines; `files` puts text on disk whole or not at all. No score is
computed here.
"""
