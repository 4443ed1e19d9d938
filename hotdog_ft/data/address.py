"""What is an address and not a path: apart, since it is asked before anything heavy is loaded."""

from __future__ import annotations

import re


def is_url(text: str) -> bool:
    """Whether this is an address, of whatever scheme: `https://…`."""
    return re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE) is not None
