"""A stranger in a process of its own: `child.py gss|winpr`, driven by lines of JSON on stdin and stdout.

A process of its own, because GSSAPI is configured by environment and by Debian's python, and because a foreign library
must not be able to take the tests with it. Nothing of ours is imported here. The first line are the options (see
`strangers.Wish`), each other line is ``{"do": ..., "data": hex, "more": hex}``; answers are ``{"data": hex | null,
"complete": bool}`` or ``{"error": text}``.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def answer(context: Any, asked: dict[str, str]) -> dict[str, object]:
    data = bytes.fromhex(asked["data"])
    if asked["do"] == "verify":
        result = context.verify(data, bytes.fromhex(asked["more"]))
    elif asked["do"] in {"step", "seal", "unseal", "sign"}:
        result = getattr(context, asked["do"])(data)
    else:
        result = getattr(context, asked["do"])()
    text = result.hex() if isinstance(result, bytes) else result
    return {"data": text, "complete": context.complete}


def main() -> None:
    module = importlib.import_module(f"{sys.argv[1]}_context")
    context: Any = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if context is None:
                context = module.Context(asked)
                reply: dict[str, object] = {"data": None, "complete": False}
            else:
                reply = answer(context, asked)
        except Exception as error:  # whatever the library says is the answer
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


main()
