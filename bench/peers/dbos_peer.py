"""Runs of five journaled steps with DBOS; prints one row of the table. `bench/peers/run` starts it.

    python dbos_peer.py STORE DATABASE_URL IN_FLIGHT RUNS [PID OF THE POSTGRESQL SERVER]

The database has to be new. Each of IN_FLIGHT threads calls the workflow, waits for its answer and calls it again, in one
process and with the pool of 20 connections that DBOS makes by itself.
"""

import concurrent.futures
import importlib.metadata
import os
import pathlib
import statistics
import sys
import time

from dbos import DBOS

WARM_UP_RUNS = 50


@DBOS.step()
def judge(before: int) -> int:
    return before + 1


@DBOS.workflow()
def five() -> int:
    value = 0
    for _ in range(5):
        value = judge(value)
    return value


def one(_) -> float:
    """Milliseconds from the call of a run to its answer."""
    started = time.perf_counter()
    assert five() == 5
    return (time.perf_counter() - started) * 1000


def tree_cpu_ms(root: int) -> float:
    """User and system time of a process and those below it. What ended is in the sum of the parent that waited for it."""
    parents, ticks = {}, {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It ended meanwhile.
        pid = int(stat.parent.name)
        parents[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))

    def below(pid: int) -> bool:
        return pid == root or (pid in parents and below(parents[pid]))

    return sum(ticks[pid] for pid in ticks if below(pid)) * 1000 / os.sysconf("SC_CLK_TCK")


def main(store: str, url: str, in_flight: int, runs: int, server: int | None = None) -> None:
    DBOS(config={"name": "peers", "system_database_url": url, "log_level": "ERROR"})
    DBOS.launch()
    with concurrent.futures.ThreadPoolExecutor(in_flight) as threads:
        list(threads.map(one, range(WARM_UP_RUNS)))
        server_before = tree_cpu_ms(server) if server else 0.0
        started, cpu_before = time.perf_counter(), time.process_time()
        took_ms = sorted(threads.map(one, range(runs)))
        wall_s, cpu_ms = time.perf_counter() - started, (time.process_time() - cpu_before) * 1000
    database_ms = f"{(tree_cpu_ms(server) - server_before) / runs:.2f}" if server else "–"
    DBOS.destroy()
    what = f"DBOS {importlib.metadata.version('dbos')}, {store}"
    took = f"{statistics.median(took_ms):.1f} | {took_ms[int(runs * 0.99)]:.1f}"
    print(f"| {what} | {in_flight} | {runs} | {runs / wall_s:.0f} | {took} | {cpu_ms / runs:.2f} | – | {database_ms} |")


if __name__ == "__main__":
    store, url, *numbers = sys.argv[1:]
    main(store, url, *map(int, numbers))
