"""The first step of each nest: whether a script runs there as it should, in this version of Python."""

import atexit
import os
import sys
import threading

atexit.register(print, "at exit")
over = threading.Event()
threading.Thread(target=lambda: over.wait() and print("in a thread")).start()
print(
    __name__,
    sys.argv[1:],
    os.environ.get("CANARY"),
    sys.modules["__main__"].__dict__ is globals(),
    threading.current_thread() is threading.main_thread(),
    sys._getframe().f_back,
    os.getpid() == os.getsid(0),
    __spec__,
    __builtins__.__name__,
)
over.set()
sys.exit("ends so")
