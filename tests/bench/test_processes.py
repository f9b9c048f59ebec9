"""Servers under measurement: the core that they run on."""

import os

from bench.processes import CLIENT_CORE, SERVER_CORE, keep_on_core, running

ELSEWHERE = f"""
import os, threading
def work():
    os.sched_setaffinity(0, {{{CLIENT_CORE}}})
    print(threading.get_native_id(), flush=True)
    threading.Event().wait()
threading.Thread(target=work).start()
"""


def test_a_thread_that_chose_the_clients_core_is_brought_back_to_the_servers() -> None:
    with running(["python3", "-c", ELSEWHERE], "") as (process, _):
        assert process.stdout is not None
        thread = int(process.stdout.readline())
        assert os.sched_getaffinity(thread) == {CLIENT_CORE}

        keep_on_core(process.pid, SERVER_CORE)

        assert os.sched_getaffinity(thread) == {SERVER_CORE}
