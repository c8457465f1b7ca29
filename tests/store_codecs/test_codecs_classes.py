"""Classes stored by their fields: rebuilt where the session knows them, else dicts and a note."""

from __future__ import annotations

import collections
import dataclasses
import enum
import sys
import types
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, Optional, TypedDict, TypeVar

import pytest
from pydantic import AliasPath, BaseModel, ConfigDict, Field, PrivateAttr, RootModel, field_validator

from nbflow.errors import StoreError
from nbflow.store.codecs import Codecs, Unstorable

T = TypeVar("T")


class Colour(enum.Enum):
    RED = (255, 0, 0)
    BLACK = object()
    CRIMSON = RED


class Size(enum.IntEnum):
    S = 1


class Word(enum.StrEnum):
    YES = "yes"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Item(BaseModel):
    name: str
    price: float = 0.0


class Order(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    items: list[Item]
    colour: Colour = Colour.RED
    _seen: int = PrivateAttr(default=0)

    @cached_property
    def total(self) -> float:
        return sum(item.price for item in self.items)


class Tags(BaseModel):
    tags: list[str]

    @field_validator("tags", mode="before")
    @classmethod
    def split(cls, text: str) -> list[str]:
        return text.split(",")


class Aliased(BaseModel):
    first: int = Field(alias="second")
    second: int = Field(alias="first")
    third: int = Field(validation_alias=AliasPath("deep", 0), default=0)


class Numbers(RootModel[list[int]]):
    pass


class Page(BaseModel, Generic[T]):
    items: list[T]


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = field(default=0, compare=False)


@dataclass
class Path3:
    points: list[Point]
    count: int = field(init=False, default=0)
    limit: ClassVar[int] = 3

    def __post_init__(self) -> None:
        self.count += len(self.points)

    @cached_property
    def length(self) -> int:
        return len(self.points)


class Pair(NamedTuple):
    left: int
    right: Any


Old = collections.namedtuple("Old", "a b")


class Row(TypedDict):
    point: Point


VALUES = [
    Colour.RED,
    Colour.CRIMSON,
    Colour.BLACK,
    Size.S,
    Word.YES,
    Right.READ | Right.WRITE,
    Right(0),
    Item(name="pen"),
    Item(name="pen", price=1.5),
    Order(items=[Item(name="pen")], colour=Colour.BLACK, note=(1, 2)),
    Tags(tags="a,b"),
    Aliased(first=2, second=1),
    Numbers([1, 2]),
    Page[Item](items=[Item(name="pen")]),
    Point(1, 2),
    Path3([Point(1)]),
    Pair(1, {2}),
    Old(1, [2]),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_an_object_of_a_known_class_is_restored(shelf: Any, value: Any) -> None:
    shelf.codecs.register_type(type(value))

    found = shelf.trip({"x": [value]})["x"][0]

    assert type(found) is type(value)
    assert found == value
    assert repr(found) == repr(value)
    assert shelf.notes == []


def test_enums_come_back_as_the_same_member(shelf: Any) -> None:
    shelf.codecs.know_annotation(Colour | Size | Word)

    found = shelf.trip([Colour.BLACK, Size.S, Word.YES, {Word.YES: Size.S}])

    assert found[0] is Colour.BLACK
    assert found[1] is Size.S
    assert type(next(iter(found[3]))) is Word


def test_a_model_is_restored_with_its_set_fields_private_attributes_and_extra_fields(shelf: Any) -> None:
    order = Order(items=[], note="n")
    order._seen = 7
    shelf.codecs.register_type(Order)

    found = shelf.trip(order)

    assert found.model_fields_set == {"items", "note"}
    assert (found._seen, found.note, found.model_extra) == (7, "n", {"note": "n"})


def test_neither_init_nor_post_init_nor_a_validator_runs_again(shelf: Any) -> None:
    shelf.codecs.register_type(Path3)
    shelf.codecs.register_type(Tags)

    path, tags = shelf.trip([Path3([Point(1)]), Tags(tags="a,b")])

    assert path.count == 1
    assert tags.tags == ["a", "b"]


def test_what_a_cached_property_computed_is_not_stored(shelf: Any) -> None:
    path, order = Path3([]), Order(items=[])
    assert (path.length, order.total) == (0, 0)
    shelf.codecs.know_annotation(Path3 | Order)

    found = shelf.trip([path, order])

    assert "length" not in found[0].__dict__
    assert found == [path, order]


@pytest.mark.parametrize(
    ("value", "fields", "sort"),
    [
        (Item(name="pen"), {"name": "pen", "price": 0.0}, "model"),
        (Order(items=[], note=1), {"items": [], "colour": Colour.RED, "note": 1}, "model"),
        (Point(1), {"x": 1, "y": 0}, "dataclass"),
        (Pair(1, (2,)), {"left": 1, "right": (2,)}, "named tuple"),
        (Word.YES, {"name": "YES", "value": "yes"}, "enum"),
        (Colour.RED, {"name": "RED", "value": (255, 0, 0)}, "enum"),
    ],
    ids=lambda part: str(part)[:20],
)
def test_a_class_that_is_not_known_comes_back_as_its_fields_with_a_note(
    shelf: Any, value: Any, fields: Any, sort: str
) -> None:
    if type(value) is Order:
        shelf.codecs.register_type(Colour)

    assert shelf.trip([value, value]) == [fields, fields]

    name = type(value).__name__
    assert shelf.notes == [
        f"{sort} '{__name__}.{name}' is not known here; its fields were restored as a dict; "
        f"nbflow.register_type({name}) makes it known"
    ]


def test_only_the_classes_that_are_known_come_back(shelf: Any) -> None:
    shelf.codecs.know_annotation(Point)

    assert shelf.trip({"known": Point(1), "not": Item(name="a")}) == {
        "known": Point(1),
        "not": {"name": "a", "price": 0.0},
    }


def test_sets_and_keys_of_a_class_that_is_not_known_come_back_as_lists_with_a_note(shelf: Any) -> None:
    assert shelf.trip([{Point(1)}, {Word.YES: 1}]) == [
        [{"x": 1, "y": 0}],
        [({"name": "YES", "value": "yes"}, 1)],
    ]
    assert sum(note.startswith("a set or dict was restored as a list") for note in shelf.notes) == 1


def test_what_a_class_holds_beyond_its_fields_is_never_lost_in_silence(shelf: Any) -> None:
    path = Path3([])
    path.more = 1  # type: ignore[attr-defined]

    with pytest.raises(Unstorable, match="it is a Path3 with the attribute 'more' that is none of its fields"):
        shelf.put(path)

    @dataclass
    class Bag(dict):  # type: ignore[type-arg]
        x: int = 0

    with pytest.raises(Unstorable, match="is a Bag, whose base dict holds more than its fields"):
        shelf.put(Bag())


def test_the_place_of_what_cannot_be_stored_names_the_field(shelf: Any) -> None:
    with pytest.raises(Unstorable, match=r"\.points\[0\]\.right is an object, which"):
        shelf.put(Path3([Pair(1, object())]))  # type: ignore[list-item]

    order = Order(items=[])
    order._seen = object()  # type: ignore[assignment]
    with pytest.raises(Unstorable, match=r"\._seen is an object, which"):
        shelf.put(order)


def made_later(called: str, /, **fields: Any) -> type:
    return dataclasses.make_dataclass(called, [(n, Any, d) for n, d in fields.items()])


def known_as(shelf: Any, cls: type, name: str) -> None:
    cls.__module__, cls.__qualname__ = __name__, name
    shelf.codecs.register_type(cls)


def test_a_dataclass_with_a_new_field_takes_its_default(shelf: Any) -> None:
    text = shelf.put(Point(1, 2))
    later = made_later("Point", x=0, y=0, z=field(default_factory=list))
    known_as(shelf, later, "Point")

    assert shelf.get(text) == later(1, 2, [])


def test_a_dataclass_without_a_stored_field_comes_back_as_a_dict_with_a_note(shelf: Any) -> None:
    text = shelf.put(Point(1, 2))
    known_as(shelf, made_later("Point", x=0), "Point")

    assert shelf.get(text) == {"x": 1, "y": 2}
    assert shelf.notes == [
        f"dataclass '{__name__}.Point' has other fields now, among them 'y'; the stored fields were restored as a dict"
    ]


def test_a_model_whose_fields_have_changed_is_validated_again(shelf: Any) -> None:
    text = shelf.put(Item(name="pen", price=2))

    class Later(BaseModel):
        name: str
        price: int
        count: int = 1

    known_as(shelf, Later, "Item")

    found = shelf.get(text)
    assert found == Later(name="pen", price=2, count=1)
    assert type(found.price) is int


def test_a_model_that_does_not_take_its_stored_fields_comes_back_as_a_dict_with_a_note(shelf: Any) -> None:
    text = shelf.put(Item(name="pen"))

    class Later(BaseModel):
        name: int

    known_as(shelf, Later, "Item")

    assert shelf.get(text) == {"name": "pen", "price": 0.0}
    assert shelf.notes[0].startswith(
        f"model '{__name__}.Item' has other fields now and does not take the stored ones: "
    )


def test_an_enum_without_the_stored_member_comes_back_as_a_dict_with_a_note(shelf: Any) -> None:
    text = shelf.put(Word.YES)
    known_as(shelf, enum.Enum("Later", {"NO": "no"}), "Word")

    assert shelf.get(text) == {"name": "YES", "value": "yes"}
    assert shelf.notes == [f"enum '{__name__}.Word' has no member 'YES' now; the stored fields were restored as a dict"]


def test_a_class_of_another_sort_under_the_name_is_not_the_one(shelf: Any) -> None:
    text = shelf.put(Word.YES)
    known_as(shelf, made_later("Word", name=0, value=0), "Word")

    assert shelf.get(text) == {"name": "YES", "value": "yes"}


@pytest.mark.parametrize(
    "annotation",
    [
        Point,
        list[Point],
        dict[str, tuple[Point, ...]],
        Optional[Point],  # noqa: UP045 - users write it so
        Point | None,
        Annotated[Point, "said"],
        Path3,
        list["int"] | dict[str, Annotated[list[Point], 1]],
        Page[Point],
        Row,
        TypeVar("P", bound=Point),
    ],
    ids=str,
)
def test_an_annotation_makes_the_classes_known_that_it_names(shelf: Any, annotation: Any) -> None:
    shelf.codecs.know_annotation(annotation)

    assert shelf.trip(Point(1)) == Point(1)


@pytest.mark.parametrize("annotation", [None, "Point", 7, int, Any, list, Codecs, ..., dict[str, "Nowhere"], T])  # noqa: F821
def test_what_names_no_class_is_ignored(shelf: Any, annotation: Any) -> None:
    shelf.codecs.know_annotation(annotation)


def test_a_class_that_names_itself_is_known_once(shelf: Any) -> None:
    @dataclass
    class Tree:
        below: list[Tree]

    class Node(BaseModel):
        next: Node | None = None

    shelf.codecs.know_annotation(Tree | Node)

    assert shelf.trip([Tree([Tree([])]), Node(next=Node())]) == [Tree([Tree([])]), Node(next=Node())]


def test_register_type_is_a_decorator_and_refuses_what_has_no_fields(shelf: Any) -> None:
    assert shelf.codecs.register_type(Point) is Point

    with pytest.raises(StoreError, match="Codecs is no pydantic model, dataclass, attrs class, enum or named tuple"):
        shelf.codecs.register_type(Codecs)


def test_a_stored_name_is_never_imported(shelf: Any) -> None:
    found = shelf.get('{"$":"dataclass","c":"antigravity.Point","f":{"x":1}}')

    import sys

    assert found == {"x": 1}
    assert "antigravity" not in sys.modules


MAIN = """
import enum
from dataclasses import dataclass
from subprocess import CompletedProcess as Foreign
from typing import NamedTuple

from pydantic import BaseModel


class Level(enum.Enum):
    LOW = 1


class Size(NamedTuple):
    width: int


@dataclass
class Config:
    level: Level
    sizes: list

    def __post_init__(self):
        raise AssertionError("it was made once")


class Job(BaseModel):
    config: Config

    class Inner(BaseModel):
        n: int
"""


def in_main(monkeypatch: pytest.MonkeyPatch, source: str) -> dict[str, Any]:
    """Run a cell as a kernel does, in the module `__main__`."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(source, main.__dict__)
    return main.__dict__


def test_classes_of_main_are_known_again_once_their_cell_has_run(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    then = in_main(monkeypatch, MAIN)
    config = object.__new__(then["Config"])
    config.level, config.sizes = then["Level"].LOW, [then["Size"](2)]
    text = shelf.put({"a": [then["Job"].model_construct(config=config), then["Job"].Inner(n=1)]})
    shelf.codecs.register_type(then["Job"])  # what was made known before its cell ran again

    now = in_main(monkeypatch, MAIN)
    job, inner = shelf.get(text)["a"]

    assert (type(job), type(inner)) == (now["Job"], now["Job"].Inner)
    assert type(job.config) is now["Config"]
    assert job.config.level is now["Level"].LOW
    assert type(job.config.sizes[0]) is now["Size"]
    assert shelf.notes == []


def test_of_main_only_what_it_defines_itself_is_rebuilt(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    in_main(
        monkeypatch,
        "from dataclasses import dataclass\nfrom test_codecs_classes import Point\nhook = []\n"
        "def __getattr__(name): hook.append(name)\n",
    )

    for name in ("__main__.Point", "__main__.Absent", "__main__.dataclass.x", "__main__", "os.Point"):
        assert shelf.get(f'{{"$":"dataclass","c":"{name}","f":{{"x":1,"y":2}}}}') == {"x": 1, "y": 2}
    assert sys.modules["__main__"].hook == []
