"""Tables and record batches of Arrow, the columns of a large one apart.

Rule: the schema comes back with its metadata; how a table is cut into chunks does not, as equal tables differ in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.store.values import split
from nbflow.store.values.arrow_stream import check_stream, check_types
from nbflow.store.values.faults import Refused, a
from nbflow.store.values.needs import need

if TYPE_CHECKING:
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker

_CODEC, _TABLE, _BATCH = "arrow.table", b"T", b"B"


def dump(value: Any, packer: Packer) -> dict[str, Any]:
    """Return the tree of a table or batch; its head is a letter for which it is, and streams of schema and columns."""
    arrow = need("pyarrow")
    if type(value) not in (arrow.Table, arrow.RecordBatch):
        raise Refused(f"is {a(type(value))} of pyarrow, which has no stored form; a Table or RecordBatch has one")
    check_types(value.schema)
    if not value.num_columns and value.num_rows:
        raise Refused("is a table of Arrow with rows and no columns, which a stream cannot say")
    columns = [split.one_chunk(column) for column in value.columns]
    apart = split.chosen([column.nbytes for column in columns], packer)
    here = [place for place in range(len(columns)) if place not in set(apart)]
    fields = arrow.schema([value.schema.field(place) for place in here])
    schema = split.written(value.schema, [column.slice(0, 0) for column in columns])
    small = split.written(fields, [columns[place] for place in here])
    lead = _TABLE if type(value) is arrow.Table else _BATCH
    head = packer.blob(_CODEC, lead + len(schema).to_bytes(8, "big") + schema + small)
    if not apart:
        return head
    return split.tree_of(head, _CODEC, [(place, "", split.dump_arrow(columns[place], packer)) for place in apart])


def load(data: bytes, unpacker: Unpacker, apart: split.Apart = ()) -> Any:
    """Return the table or batch of a blob, and of the columns that were stored apart."""
    lead, end = data[:1], 9 + int.from_bytes(data[1:9], "big")
    schema, small = _table(data[9:end]).schema, _table(data[end:])
    if lead not in (_TABLE, _BATCH):
        raise Refused("is neither a table nor a batch of Arrow")
    large = [(place, split.load_arrow(streams)) for place, _, streams in apart]
    columns = split.placed([split.one_chunk(column) for column in small.columns], large)
    table = need("pyarrow").Table.from_arrays(columns, schema=schema)
    table.validate(full=True)
    if lead == _TABLE:
        return table
    return need("pyarrow").RecordBatch.from_arrays(columns, schema=schema)


def _table(data: bytes) -> Any:
    check_stream(data)
    with need("pyarrow").ipc.open_stream(data) as reader:
        check_types(reader.schema)
        table = reader.read_all()
    table.validate(full=True)
    return table
