"""Values as JSON, the same in all outputs: `--json`, REST, server-sent events and WebSockets.

Null, booleans, texts, finite floats, integers up to 2**53 - 1 (which every JSON reader reads exactly), lists, tuples
and dicts whose keys are texts are the JSON that they look like. Any other value is an object whose `type` names its
form; `class` is the qualified name of its Python class:

| `type` | the other fields |
|---|---|
| `int` | `value`, the decimal digits as a text |
| `float` | `value`: `NaN`, `Infinity` or `-Infinity` |
| `complex` | `real`, `imag` |
| `bytes` | `size`, `data` in base64 |
| `datetime`, `date`, `time` | `value` in ISO 8601; `zone`, the name of the time zone if it has one |
| `timedelta` | `value` in ISO 8601, `seconds` |
| `decimal`, `uuid`, `path` | `value`, a text that the class reads |
| `fraction` | `numerator`, `denominator` |
| `enum` | `class`, `name`, `value` |
| `set`, `frozenset`, `sequence` (such as a deque) | `class`, `items`; of sets in one order |
| `range` | `start`, `stop`, `step` |
| `dataclass`, `attrs`, `model` (of pydantic), `namedtuple`, `namespace` | `class`, `fields` |
| `dict` | `items`, pairs of a key and its value: a dict that has keys other than texts, or that looks like a form |
| `ndarray` | `class`, `dtype`, `shape`, `values`, nested by axis |
| `frame`, `series` | `class`, `shape`, `schema` (`name` and `dtype` of each column), `records`, `index` if it has one |
| `missing` | `value`: `NA` or `NaT` |
| `class`, `function` | `name` |
| `exception` | `class`, `message` |
| `instance` | `class`, `text`: any other object, which JSON cannot carry; the text is what `str` returns |
| `unstored` | `reason`: the value was lost with its process |
| `cycle` | `levels`: how many values further out the value is that contains itself here |

A value beyond a bound has `shape`, `preview` (its beginning), `"truncated": true` and `whole`, a Python expression that
gets the value, in place of its content; a text, list or dict that is truncated has the `type` `str`, `list` or `dict`.
Records of a frame are objects by column, and lists in the order of the schema where names of columns are not texts or
not unique. A missing value of a column is null. A secret is the text `***`.
"""

from nbflow.json_values.writer import TYPES, UNBOUNDED, WHOLE, Bounds, Room, object_data, own_data, plain

__all__ = ["TYPES", "UNBOUNDED", "WHOLE", "Bounds", "Room", "object_data", "own_data", "plain"]
