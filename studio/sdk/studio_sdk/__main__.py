"""`python -m studio_sdk COMMAND`.

Python looks for modules in the current folder first, and that may be a checkout with a `queue.py` of its own. So the
folder goes before anything is imported that Python has not imported when it starts: `from __future__` would be such.
"""

import os
import sys

if __name__ == "__main__":
    here = os.path.realpath("")
    sys.path[:] = [each for each in sys.path if os.path.realpath(each) != here]
    # Found all the same if it lies there, since the package is loaded already.
    from studio_sdk._command import main

    sys.exit(main())
