"""Labels as a table. Needs pandas: `pip install 'senescope[dataframe]'`."""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from senescope.events import Label

if TYPE_CHECKING:
    import pandas

# The type of each column, and where its values come from.
Column = tuple[str, Callable[[Label], Any]]
Columns = dict[str, Column]
_STAGES = ("acquire", "segment", "infer", "combine", "total")


def to_dataframe(labels: Iterable[Label]) -> "pandas.DataFrame":
    """Return a row a label, with the columns of `senescope export --format csv`.

    `image`, the file of the frame, is not among them: a label does not tell it. Each member has its
    column, which is empty for labels of runs without it.
    """
    import pandas

    labels = list(labels)
    columns = _columns(dict.fromkeys(member for label in labels for member in label.members))
    return pandas.DataFrame(
        {
            name: pandas.Series([get(label) for label in labels], dtype=kind)
            for name, (kind, get) in columns.items()
        }
    )


def _columns(members: Iterable[str]) -> Columns:

    def same(kind: str, *names: str) -> Columns:
        return {name: (kind, attrgetter(name)) for name in names}

    def item(kind: str, name: str, key: Any) -> Column:
        def get(label: Label) -> Any:
            items = getattr(label, name)
            return items.get(key) if isinstance(items, Mapping) else items[key]

        return kind, get

    sides = enumerate(("x", "y", "width", "height"))
    return {
        **same("string", "run"),
        **same("uint64", "frame"),
        **same("uint32", "field", "cell"),
        **same("uint64", "seq"),
        **{f"bbox_{side}_px": item("uint32", "bbox", at) for at, side in sides},
        "centroid_x_um": item("float64", "centroid_um", 0),
        "centroid_y_um": item("float64", "centroid_um", 1),
        **same("float64", "area_um2"),
        **same("float32", "p_senescent", "p_raw"),
        **{f"p_{member}": item("float32", "members", member) for member in members},
        **same("float32", "spread", "entropy", "mutual_information", "ood"),
        **same("string", "label"),
        **same("bool", "abstain"),
        "flags": ("string", lambda label: ";".join(label.flags)),
        **same("string", "model", "config", "engine"),
        **{f"latency_{stage}_ns": item("UInt64", "latency_ns", stage) for stage in _STAGES},
        **same("string", "source_file"),
        **same("UInt64", "source_index"),
    }
