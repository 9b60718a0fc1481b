"""Scripts that say what they see of their process. Each must say the same in a fresh interpreter and in a warm one."""

# What it takes to reach a line twice the same: numbers of processes and addresses are not printed.
SCRIPTS: dict[str, str] = {
    "arguments": "import sys\nprint(sys.argv, getattr(sys, 'orig_argv', [''])[1:], len(sys.path), sys.path[0])",
    "main module": (
        "import sys\n"
        "print(__name__, __file__, __spec__, __package__, __doc__, __builtins__.__name__, list(globals()))\n"
        "print(sys.modules['__main__'].__dict__ is globals(), type(__loader__).__name__, __loader__.name, __loader__.path)"
    ),
    "docstring": '"""What this script is for."""\nimport inspect, sys\nprint(__doc__, len(inspect.getsource(sys.modules["__main__"])))',
    "imported modules": "import sys\nprint(sorted(sys.modules))",
    "imported modules after imports": (
        "import json, logging, argparse, asyncio, multiprocessing, pickle, random, sys, concurrent.futures\n"
        "print(sorted(sys.modules))"
    ),
    "attributes of packages": (
        "import concurrent, importlib, xml, os, collections, email\n"
        "for package in (concurrent, importlib, xml, os, collections, email):\n"
        "    print(package.__name__, sorted(name for name in vars(package) if not name.startswith('__')))\n"
        "try:\n    concurrent.futures\nexcept AttributeError as error:\n    print(error)"
    ),
    "specifications of modules": (
        "import importlib.util, json.decoder, sys\n"
        "for name in ('json', 'json.decoder', 'email.mime', 'asyncio', 'no_such_module'):\n"
        "    spec = importlib.util.find_spec(name)\n"
        "    print(name, spec and (spec.name, spec.origin, type(spec.loader).__name__, spec.parent))\n"
        "print(json.__spec__, json.decoder.__loader__.path, json.__spec__.loader is json.__loader__)"
    ),
    "reload": "import importlib, json\nprint(importlib.reload(json) is json, json.__spec__.name, json.loads('[1]'))",
    "run a module": "import runpy\nprint(sorted(runpy.run_module('json.tool', run_name='other'))[:5])",
    "stack": (
        "import inspect, sys, traceback\n"
        "print(len(inspect.stack()), sys._getframe().f_back)\n"
        "def outer():\n    traceback.print_stack()\nouter()\n"
        "try:\n    sys._getframe(1)\nexcept ValueError as error:\n    print(error)"
    ),
    "depth of recursion": (
        "import sys\ndepth = 0\n"
        "def deeper():\n    global depth\n    depth += 1\n    deeper()\n"
        "try:\n    deeper()\nexcept RecursionError as error:\n    print(depth // 10, sys.getrecursionlimit(), error)"
    ),
    "variables": (
        "import os, subprocess\n"
        "print({name: value for name, value in os.environ.items() if name != 'STUDIO_WARM_STARTS'})\n"
        "print([name for name in os.environ if name != 'STUDIO_WARM_STARTS'] == [line.split('=')[0] for line in\n"
        "    subprocess.check_output(['env'], text=True).splitlines() if not line.startswith('STUDIO_WARM_STARTS')])\n"
        "os.environ['NEW'] = 'set'\nprint(subprocess.check_output(['sh', '-c', 'echo $NEW $HOME'], text=True))"
    ),
    "variables as the kernel shows them": (
        "import os\n"
        "shown = open('/proc/self/environ', 'rb').read().split(b'\\0')\n"
        "print([line for line in shown if b'WARM' not in line])"
    ),
    "command line as the kernel shows it": (
        "import os\nprint(open('/proc/self/cmdline', 'rb').read(), open('/proc/self/comm').read(), os.readlink('/proc/self/exe'))"
    ),
    "folders": (
        "import os, pathlib, site, sys, sysconfig, tempfile\n"
        "print(os.getcwd(), pathlib.Path.home(), tempfile.gettempdir(), os.listdir())\n"
        "print(site.USER_BASE, site.USER_SITE, site.ENABLE_USER_SITE, sys.prefix, sys.executable)\n"
        "print(sysconfig.get_config_var('userbase'), os.path.expanduser('~/x'))"
    ),
    "descriptors": (
        "import os\n"
        "first = os.open('/dev/null', os.O_RDONLY)\nprint(first, [os.readlink('/proc/self/fd/%d' % n)[:5] for n in (0, 1, 2)])\n"
        "os.close(first)\nos.closerange(3, 4096)\nprint(os.open('/dev/null', os.O_RDONLY))"
    ),
    "session and parent": (
        "import os, resource, signal\n"
        "print(os.getsid(0) == os.getpid() == os.getpgid(0), open(f'/proc/{os.getppid()}/comm').read().strip())\n"
        "print(os.getpriority(os.PRIO_PROCESS, 0), oct(os.umask(0)), os.getuid(), sorted(os.sched_getaffinity(0)))\n"
        "print([resource.getrlimit(n) for n in range(16)], sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
    ),
    "signals": (
        "import os, signal, time\n"
        "print({n.name: str(signal.getsignal(n)).split(' at ')[0] for n in signal.valid_signals() if hasattr(n, 'name')})\n"
        "signal.signal(signal.SIGUSR1, lambda number, frame: print('heard', number, frame.f_code.co_name))\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\n"
        "signal.signal(signal.SIGALRM, lambda *_: print('rang'))\nsignal.setitimer(signal.ITIMER_REAL, 0.02)\ntime.sleep(0.2)"
    ),
    "streams": (
        "import sys\n"
        "for stream in (sys.stdin, sys.stdout, sys.stderr, sys.__stdout__):\n"
        "    print(stream.name, stream.mode, stream.encoding, stream.errors, stream.line_buffering, stream.write_through,\n"
        "          stream.isatty(), stream.seekable(), stream.fileno(), type(stream.buffer).__name__, stream.newlines)\n"
        "print('ünïcode ✓', file=sys.stderr)\nsys.stdout.buffer.write(b'bytes\\n')\nprint(sys.stdin.read() == '')"
    ),
    "end of input": "input('say: ')",
    "flags": (
        "import gc, locale, sys, time\n"
        "print(sys.flags, sys.warnoptions, sys._xoptions, sys.dont_write_bytecode, gc.isenabled(), gc.get_threshold())\n"
        "print(locale.setlocale(locale.LC_ALL), sys.getfilesystemencoding(), time.tzname, sys.getswitchinterval())"
    ),
    "warnings": (
        "import warnings\n"
        "print(warnings.filters)\n"
        "warnings.warn('one')\nwarnings.warn('one')\nwarnings.warn('old', DeprecationWarning)\n"
        "warnings.warn('from above', DeprecationWarning, stacklevel=2)\n"
        "def f():\n    warnings.warn('user', UserWarning, stacklevel=2)\nf()"
    ),
    "warnings as errors": "import warnings\nwarnings.simplefilter('error')\nwarnings.warn('now it ends')",
    "random numbers differ": (
        "import os, pathlib, random, tempfile, uuid\n"
        "random.seed(1)\nprint(random.random(), random.getstate()[1][:3])\nprint(random.Random(5).random())"
    ),
    "exit with a number": "import sys\nprint('going')\nsys.exit(5)",
    "exit with words": "import sys\nsys.exit('these are the words')",
    "exit with nothing": "import sys\nsys.exit(None)",
    "exit with something else": "raise SystemExit([1, 2])",
    "exit at once": "import os, sys\nsys.stdout.write('lost or not')\nos._exit(9)",
    "exception": "def inner():\n    return {}['key']\n\n\ninner()",
    "exception with a cause": (
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n"
        "    error.add_note('a note') if hasattr(error, 'add_note') else None\n    raise ValueError('after it') from error"
    ),
    "exception in an import": "import own_broken",
    "error of syntax": "print('never')\nx = = 1\n",
    "error of encoding": "# coding: no-such-encoding\nprint(1)",
    "missing module": "import no_such_module.at_all",
    "missing name of a module": "from json import no_such_name",
    "own excepthook": "import sys\nsys.excepthook = lambda kind, *_: print('hooked', kind.__name__)\n1 / 0",
    "broken excepthook": "import sys\ndef hook(*_):\n    raise RuntimeError('hook')\nsys.excepthook = hook\n1 / 0",
    "at exit": (
        "import atexit, logging, sys, weakref\n"
        "atexit.register(print, 'first in, last out')\natexit.register(lambda: print('second', sys.exc_info()))\n"
        "class Thing:\n    def __del__(self):\n        print('thing is gone')\n"
        "keep = Thing()\nother = Thing()\nweakref.finalize(other, print, 'finalized')\ndel other\n"
        "atexit.register(lambda: 1 / 0)\nlogging.warning('logged')"
    ),
    "threads at the end": (
        "import threading, time\n"
        "print(threading.current_thread().name, threading.main_thread() is threading.current_thread(), threading.active_count())\n"
        "def late():\n    time.sleep(0.1)\n    print('a thread ends', threading.main_thread().is_alive())\n"
        "threading.Thread(target=late, name='late').start()\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "print('the main one ends')"
    ),
    "exception in a thread": "import threading\nt = threading.Thread(target=lambda: 1 / 0, name='doomed')\nt.start()\nt.join()\nprint('on')",
    "killed": "import os, signal\nprint('soon', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "import os, signal, time\nprint('soon', flush=True)\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(5)",
    "segmentation fault": (
        "import faulthandler, ctypes\nfaulthandler.enable(all_threads=False)\nprint('soon', flush=True)\nctypes.string_at(0)"
    ),
    "interrupted": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)",
    "aborted": "import os\nos.abort()",
    "broken pipe": "import os, sys\nos.close(1)\nsys.stdout.write('to nobody')",
    "subprocess": (
        "import subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-c', 'import sys; print(len(sys.modules) > 10, sys.argv); sys.exit(3)', 'x'],\n"
        "                      capture_output=True, text=True)\nprint(done.returncode, done.stdout, done.stderr)\n"
        "print(subprocess.run('exit 4', shell=True).returncode, flush=True)\nsubprocess.run(['echo', 'to the same log'])"
    ),
    "processes by fork": (
        "import multiprocessing as mp\nmp.set_start_method('fork')\n\n\n"
        "def square(n):\n    return n * n\n\n\n"
        "if __name__ == '__main__':\n    with mp.Pool(2) as pool:\n        print(pool.map(square, range(5)))"
    ),
    "processes by spawn": (
        "import multiprocessing as mp, os\n\nprint('top of', __name__)\n\n\n"
        "def tell(queue):\n    queue.put((__name__, os.path.basename(__file__), mp.current_process().name))\n\n\n"
        "if __name__ == '__main__':\n    context = mp.get_context('spawn')\n    queue = context.Queue()\n"
        "    one = context.Process(target=tell, args=(queue,))\n    one.start()\n    print(queue.get())\n    one.join()\n    print(one.exitcode)"
    ),
    "processes by a fork server": (
        "import multiprocessing as mp\n\n\ndef square(n):\n    return n * n\n\n\n"
        "if __name__ == '__main__':\n    with mp.get_context('forkserver').Pool(1) as pool:\n        print(pool.map(square, [3]))"
    ),
    "executors": (
        "from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor\n\n\ndef f(n):\n    return n + 1\n\n\n"
        "if __name__ == '__main__':\n    with ProcessPoolExecutor(1) as processes, ThreadPoolExecutor(2) as threads:\n"
        "        print(list(processes.map(f, [1, 2])), list(threads.map(f, [3])))"
    ),
    "fork by hand": (
        "import os, sys\nprint('before', flush=True)\nchild = os.fork()\n"
        "if child == 0:\n    print('in the child', flush=True)\n    sys.exit(6)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), os.getppid() != child)"
    ),
    "another program": "import os, sys\nprint('before', flush=True)\nos.execv(sys.executable, ['python', '-c', 'print(\"after\")'])",
    "asyncio": (
        "import asyncio, signal\n\n\nasync def main():\n    loop = asyncio.get_running_loop()\n"
        "    loop.add_signal_handler(signal.SIGUSR1, print, 'signalled')\n    signal.raise_signal(signal.SIGUSR1)\n"
        "    process = await asyncio.create_subprocess_exec('echo', 'asynchronously', stdout=asyncio.subprocess.PIPE)\n"
        "    print((await process.communicate())[0])\n    await asyncio.sleep(0.01)\n\n\nasyncio.run(main())"
    ),
    "pickles of its own classes": (
        "import dataclasses, pickle\n\n\n@dataclasses.dataclass\nclass Point:\n    x: int\n\n\n"
        "data = pickle.dumps(Point(3))\nprint(data, pickle.loads(data), Point.__module__, Point.__qualname__)"
    ),
    "own modules": "import own, sys\nprint(own.__file__, own.WHO, 'own' in sys.modules, own.__spec__.origin)",
    "own module under a known name": "import json\nprint(json.__file__, json.dumps({}))",
    "logging": (
        "import logging, sys\nlogging.basicConfig(format='%(levelname)s %(filename)s:%(lineno)d %(processName)s %(threadName)s %(message)s')\n"
        "logging.getLogger('a.b').warning('hello', stack_info=True)\n"
        "print(logging.root.handlers, logging.LogRecord('a', 10, 'p', 1, 'm', (), None).relativeCreated < 60000)"
    ),
    "search path changed": (
        "import os, sys\nos.makedirs('more')\nopen('more/csv.py', 'w').write('print(\"my own\")\\nWHO = 1\\n')\n"
        "sys.path.insert(0, 'more')\nimport csv\nprint(csv.__file__, hasattr(csv, 'WHO'))"
    ),
    "finders of its own": (
        "import sys, importlib.abc, importlib.machinery\n\n\nclass Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        return importlib.machinery.ModuleSpec(name, self) if name in ('made_up', 'argparse') else None\n\n"
        "    def exec_module(self, module):\n        module.made_by = 'me'\n\n\n"
        "sys.meta_path.insert(0, Finder())\nimport made_up, argparse\nprint(made_up.made_by, argparse.made_by)"
    ),
    "collector": "import gc, sys\nprint(gc.isenabled(), gc.get_debug(), gc.collect() >= 0, gc.garbage, sys.gettrace(), sys.getprofile())",
    "time of its own": (
        "import time\nprint(time.process_time() < 1, time.perf_counter() > 0)\n"
        "with open('/proc/self/stat') as stat, open('/proc/uptime') as uptime:\n"
        "    age = float(uptime.read().split()[0]) - int(stat.read().rpartition(')')[2].split()[19]) / 100\nprint(age < 600)"
    ),
    "output without end of line": "import sys\nsys.stdout.write('half')\nsys.stderr.write('and half')",
    "big output": "for n in range(20000):\n    print(n, 'x' * 50)",
    "variables set before imports": (
        "import os\nos.environ['PYTHONTZPATH'] = '/nowhere'\nimport zoneinfo\nprint(zoneinfo.TZPATH)"
    ),
    "working folder changed": "import os\nos.makedirs('deep/er', exist_ok=True)\nos.chdir('deep/er')\nimport own\nprint(os.getcwd()[-8:], own.WHO)",
    "multiprocessing's folder": "import os\nfrom multiprocessing import process\nprint(process.ORIGINAL_DIR == os.getcwd())",
    "arguments of other interpreters": "import subprocess\nprint(subprocess._args_from_interpreter_flags())",
}

# Files beside a script.
BESIDE = {
    "own.py": "WHO = 'me'\n",
    "own_broken.py": "def fails():\n    raise OSError('at import')\n\n\nfails()\n",
}
ONLY_BESIDE = {
    "own module under a known name": {"json.py": "def dumps(value):\n    return 'my own'\n"},
}
ARGUMENTS = {"arguments": ["--alpha", "a b", "", "ünï", "x" * 5000]}
