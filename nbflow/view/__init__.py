"""The display of runs and graphs: views, layouts, pictures, the inspector, and short texts.

The view of a run is a fold of its events: a pure function that updates the displayed fields with one event at a time,
so that the same events always give the same view, live, in the past or from a store.

Invariant: nothing here uses asyncio, IPython or HTTP. Graphviz is imported when the first layout is computed.
"""

from nbflow.view.fold import RunView as RunView
from nbflow.view.inspect import inspect as inspect
from nbflow.view.picture import GraphPicture as GraphPicture
from nbflow.view.picture import RunPicture as RunPicture
from nbflow.view.picture import static_html as static_html
from nbflow.view.static import static_svg as static_svg
from nbflow.view.svg import scene as scene
from nbflow.view.text import summary as summary
