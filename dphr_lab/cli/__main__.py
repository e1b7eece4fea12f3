"""`python -m dphr_lab.cli` is `dphr`."""

import sys

from dphr_lab.cli import main

sys.exit(main())
