"""The dialects of label tables: JSON objects, colour tables, and tables with a header.

Each module takes the text of a file and gives a `LabelTable`, or an `InputError` that names the line. None opens a
file.
"""
