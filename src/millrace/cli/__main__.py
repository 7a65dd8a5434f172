"""`python -m millrace.cli` is the `millrace` command. It is what one process of ours uses to start another."""

import sys

from millrace.cli import main

sys.exit(main())
