"""Label selectors, as far as a Corefile must be checked for them; what they select is the API server's business.

Grammar: requirements with commas between them, `KEY`, `!KEY`, `KEY = VALUE`, `KEY == VALUE`, `KEY != VALUE`,
`KEY in (VALUE, ...)`, `KEY notin (VALUE, ...)` (Kubernetes: Labels and Selectors).
"""

import re

_PART = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_KEY = rf"(?:{_PART}/)?{_PART}"
_VALUE = rf"(?:{_PART})?"
_SET = rf"{_KEY}\s+(?:in|notin)\s*\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*\s*\)"
_REQUIREMENT = rf"(?:!\s*{_KEY}|{_SET}|{_KEY}(?:\s*(?:==?|!=)\s*{_VALUE})?)"
_SELECTOR = re.compile(rf"\s*{_REQUIREMENT}(?:\s*,\s*{_REQUIREMENT})*\s*\Z")

MAX_SELECTOR = 4096  # characters


def is_selector(text: str) -> bool:
    """Whether the text is a label selector that an API server would take."""
    return len(text) <= MAX_SELECTOR and _SELECTOR.match(text) is not None
