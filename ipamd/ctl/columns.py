"""Tables for people: rows of text in aligned columns, without borders, so that they can be cut and searched."""

from collections.abc import Sequence

GAP = "   "


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows under their heads; every column is as wide as its widest cell, the last has no padding."""
    everything = [[name.upper() for name in head], *rows]
    widths = [max(len(row[place]) for row in everything) for place in range(len(head))]
    return "\n".join(
        GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in everything
    )
