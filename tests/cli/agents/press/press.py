"""Writes a page: the text, and the names of what is in the given folder or the content of the given file."""

import json
import os
import sys
import time
from pathlib import Path

given = json.load(sys.stdin)
print(f"pressing {given['text']}", file=sys.stderr)
if given["text"] == "fail":
    print(json.dumps({"error": {"type": "Jammed", "message": "the press is jammed"}}))
    sys.exit(1)
if given["text"] == "slowly":
    time.sleep(1)
source = Path(given["source"]) if given.get("source") else None
read = (
    sorted(path.name for path in source.iterdir())
    if source and source.is_dir()
    else source and source.read_text()
)
page = Path(os.environ["PENSTOCK_OUT"]) / "page.html"
page.write_text(f"<p>{given['text']}</p>")
print(
    json.dumps({"page": str(page), "read": read, "text": given["text"], "kind": type(given["text"]).__name__})
)
