"""What a person sees of a run or a graph: a pure fold of events, pictures, and short texts.

Rule: nothing here knows of asyncio, IPython, HTTP or the engine; Graphviz is loaded when the first picture is made.
"""

from nbflow.view.fold import RunView as RunView
from nbflow.view.inspect import inspect as inspect
from nbflow.view.picture import GraphPicture as GraphPicture
from nbflow.view.picture import RunPicture as RunPicture
from nbflow.view.picture import static_html as static_html
from nbflow.view.static import static_svg as static_svg
from nbflow.view.svg import scene as scene
from nbflow.view.text import summary as summary
