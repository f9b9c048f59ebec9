"""Go's text templates, as the template plugin has them.

Reading order: syntax (text to a tree, by way of tokens), formatting (Go's printf), functions (the built-in ones),
execution (a tree and its data to text), query (the data that a query gives). Left out are templates within templates
(define, template, block): a record has one line.
"""
