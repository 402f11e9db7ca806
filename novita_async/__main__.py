"""`python -m novita_async`: the same as `novita-async`."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
