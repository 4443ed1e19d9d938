"""How long it takes to look through a data set's folder, as every command does first: `… listing FOLDER`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from hotdog_ft.data.folder import read_folder

start = time.perf_counter()
read_folder(Path(sys.argv[1]))
print(json.dumps({"wall_seconds": time.perf_counter() - start}))
