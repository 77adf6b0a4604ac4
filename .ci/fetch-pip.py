"""Fetches pip for a Python that came without it: `python fetch-pip.py WHEEL`."""

import sys
import urllib.request
from hashlib import sha256
from pathlib import Path

URL = (
    "https://files.pythonhosted.org/packages/07/25/"
    "ee8c38ae72d66b844ce8eb9711ba905dba21ca1a8a0c960057c41cd23337/pip-26.3-py3-none-any.whl"
)
SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
SECONDS = 60

try:
    with urllib.request.urlopen(URL, timeout=SECONDS) as response:
        wheel = response.read()
except OSError as error:
    sys.exit(f"error: cannot fetch {URL}: {error}")
if sha256(wheel).hexdigest() != SHA256:
    sys.exit(f"error: {URL} is not what was expected")
Path(sys.argv[1]).write_bytes(wheel)
