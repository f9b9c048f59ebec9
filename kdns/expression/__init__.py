"""Expressions of the expr language (https://expr-lang.org), as `var`, `expr` and views have them.

Reading order: tokens, syntax (text to a tree), values (what expressions work on, and how Go shows it), functions (the
built-in ones), check (kinds known before any query comes), compiler (a tree to a function), query (what expressions
may ask of a query). Left out are the functions of dates and durations, and user-defined types: queries have none.
"""
