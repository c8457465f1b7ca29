"""`python -m nbflow.server` is a worker, whose parts are loaded without looking for garbage among them.

Rule: nothing but that; what a worker does is in `nbflow.server.worker`. The process that watches over it is forked
before anything is loaded, while there is but one thread.
"""

import gc

from nbflow.server.watcher import watch_over

watch_over()
gc.disable()  # all of it stays, and to look through it as it comes takes a tenth of the start

from nbflow.server.worker import main  # noqa: E402 - loaded after that

main()
