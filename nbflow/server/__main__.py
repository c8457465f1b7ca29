"""Start a worker of `nbflow serve`: `python -m nbflow.server`.

The watcher of the worker is forked first, while the process has one thread. The garbage collector is off during the
imports, as all that they create stays, and scanning it takes a tenth of the start.
"""

import gc

from nbflow.server.cluster.watcher import watch_over

watch_over()
gc.disable()  # all of it stays, and to look through it as it comes takes a tenth of the start

from nbflow.server.cluster.worker import main  # noqa: E402 - loaded after that

main()
