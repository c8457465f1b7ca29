"""The display of runs and graphs: views, layouts, pictures, the inspector, and short texts.

The view of a run is a fold of its events: a pure function that updates the displayed fields with one event at a time,
so that the same events always give the same view, live, in the past or from a store.

Invariant: nothing here uses asyncio, IPython or HTTP. Graphviz is imported when the first layout is computed.
"""

from nbflow.view.fold.run_view import RunView as RunView
from nbflow.view.panels.inspector import inspect as inspect
from nbflow.view.render.drawing import scene as scene
from nbflow.view.render.picture import GraphPicture as GraphPicture
from nbflow.view.render.picture import RunPicture as RunPicture
from nbflow.view.render.picture import static_html as static_html
from nbflow.view.render.picture import static_svg as static_svg
from nbflow.view.text import summary as summary
