"""With ``--trace`` on the command line: what the user halves did here, told as one line of JSON at the end."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """To be entered before the first context; the flag is taken off the command line."""
    if "--trace" not in sys.argv:
        yield
        return
    sys.argv.remove("--trace")
    from secpkg.testing import UserModeCall, observe_user_mode

    calls: list[dict[str, object]] = []

    def note(call: UserModeCall) -> None:
        calls.append(
            {
                "kind": "user",
                "process": os.getpid(),
                "monotonic": call.start,
                "seconds": call.seconds,
                "function": call.function,
                "package": call.package,
                "status": int(call.status),
                "received": call.received,
                "sent": call.sent,
            }
        )

    observe_user_mode(note)
    try:
        yield
    finally:
        print(json.dumps({"event": "trace", "calls": calls}), flush=True)
