"""Compiles the code in a folder to bytecode that is used whatever the files' times are.

An image is read-only, so nobody compiles later, and its layers keep times in whole seconds only.
"""

import compileall
import sys
from py_compile import PycInvalidationMode

if __name__ == "__main__":
    # A package may carry a file for another Python, which this one cannot compile or import.
    compileall.compile_dir(
        sys.argv[1],
        maxlevels=50,
        quiet=2,
        workers=0,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
