"""The dialects of label tables: JSON objects, colour tables, and tables with a header.

Each module turns the text of a file into a `LabelTable`, or raises an `InputError` with the line number.
"""
