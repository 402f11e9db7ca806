"""What importing novita_async costs next to importing openai, each in a fresh interpreter.

Nothing of the benchmark itself is imported there: the child is one `python -c`.
"""

from __future__ import annotations

import string

__all__ = ["PACKAGES", "program"]

#: The statement that is timed, and what makes a client after it.
PACKAGES = {
    "novita": ("from novita_async import AsyncNovita", "AsyncNovita(api_key='sk_benchmark')"),
    "openai": ("from openai import AsyncOpenAI", "AsyncOpenAI(api_key='sk_benchmark')"),
}

_PROGRAM = string.Template("""
import os, sys, time
if $core >= 0:
    os.sched_setaffinity(0, {$core})
bare = set(sys.modules)
cpu, start = time.process_time(), time.perf_counter()
$statement
import_wall, import_cpu = time.perf_counter() - start, time.process_time() - cpu
imported = set(sys.modules)
client = $construct
client_wall, client_cpu = time.perf_counter() - start, time.process_time() - cpu
with_client = set(sys.modules)
heavy = {'aiohttp', 'websockets', 'rich', 'httpx', 'httpx2', 'pydantic'}
import json
print(json.dumps({
    'wall': import_wall,
    'cpu': import_cpu,
    'modules': len(imported),
    'modules_beyond': len(imported - bare),
    'loaded': sorted(heavy & imported),
    'client_wall': client_wall,
    'client_cpu': client_cpu,
    'client_modules': len(with_client),
    'client_modules_beyond': len(with_client - bare),
    'client_loaded': sorted(heavy & with_client),
}))
""")


def program(who: str, core: int) -> str:
    """The program of one measurement; it prints one line of JSON. The client's figures include the import."""
    statement, construct = PACKAGES[who]
    return _PROGRAM.substitute(statement=statement, construct=construct, core=core)
