"""One round of the other side of benches/jupyter.rs: a kernel through jupyter_client, over IPC. Prints milliseconds as JSON."""

import json
import shutil
import sys
import tempfile
import time

from jupyter_client.manager import KernelManager


def timed(action):
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1e3


def main(cells):
    folder = tempfile.mkdtemp()
    manager = KernelManager(kernel_name="python3", transport="ipc", ip=f"{folder}/k")
    client = None

    def ready():
        nonlocal client
        if client is None:
            manager.start_kernel()
            client = manager.client()
            client.start_channels()
        else:
            manager.restart_kernel(now=True)
        client.wait_for_ready(timeout=60)

    def run(source):
        client.execute_interactive(source, timeout=60, output_hook=lambda message: None)

    figures = {"ready": timed(ready), "first": timed(lambda: run("x = 41"))}
    figures["warm"] = sorted(timed(lambda: run("x + 1")) for _ in range(cells))[cells // 2]
    run("1 / 0")  # IPython loads what formats a traceback

    started = []

    def printed(message):
        if message["msg_type"] == "stream":
            time.sleep(0.1)  # until the program is in its loop
            started.append(time.perf_counter())
            manager.interrupt_kernel()

    client.execute_interactive("print('on', flush=True)\nwhile True: int()", timeout=60, output_hook=printed)
    figures["interrupt"] = (time.perf_counter() - started[0]) * 1e3
    figures["restart"] = timed(ready)
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(figures))


main(int(sys.argv[1]))
