"""Asks this container's own addresses whether all is well: python -m supercog_shared.probe [URL...].

Without addresses it asks /health on PORT. Ends with 0 if every answer is a success, else says what is wrong. For HEALTHCHECK:
the platform's own checks ask from outside.
"""

from __future__ import annotations

import os
import sys
import urllib.request

LIMIT = 5  # seconds for each answer


def main() -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for url in sys.argv[1:] or [f"http://127.0.0.1:{os.environ.get('PORT') or 8080}/health"]:
        try:
            direct.open(url, timeout=LIMIT).close()
        except OSError as error:  # URLError is one
            raise SystemExit(f"probe: {url}: {getattr(error, 'reason', error)}") from None


if __name__ == "__main__":
    main()
