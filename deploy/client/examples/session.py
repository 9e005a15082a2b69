"""One run as a table and a plot: live, or from a recording.

python session.py [RECORDING] [--out session.png]

Without a recording it takes the run that is on, or the next one, to its end. Cells are marked for
editors that run them one by one. Needs `pip install 'senescope[dataframe]' matplotlib`.
"""

# %% What to look at
import argparse

import numpy as np
from matplotlib import pyplot

from senescope import Label, RunEnd, Subscriber, read_labels, to_dataframe

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("recording", nargs="?", help="folder of a recording; without it, live")
parser.add_argument("--labels", default="tcp://127.0.0.1:5556")
parser.add_argument("--control", default="tcp://127.0.0.1:5558")
parser.add_argument("--out", default="session.png")
# A notebook has arguments of its own.
arguments, _ = parser.parse_known_args()

# %% The labels of one run
labels: list[Label] = []
if arguments.recording:
    labels.extend(read_labels(arguments.recording))
else:
    with Subscriber(arguments.labels, None, arguments.control) as subscriber:
        for event in subscriber.events():
            if isinstance(event, Label):
                labels.append(event)
            elif isinstance(event, RunEnd):
                break
        if subscriber.missed:
            print("missing:", dict(subscriber.missed))

# %% A row a cell
cells = to_dataframe(labels)
print(cells[["frame", "cell", "area_um2", "p_senescent", "ood", "label", "flags"]].head())
print(cells.groupby("label").agg(cells=("cell", "size"), area_um2=("area_um2", "median")))

# %% How sure it is, and how long it took
COLOURS = {
    "senescent": "#d95f02",
    "proliferating": "#1f78b4",
    "uncertain": "#999999",
    "atypical": "#6a3d9a",
}
shown = [name for name in COLOURS if (cells["label"] == name).any()]
figure, (sure, late) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
sure.hist(
    [cells.loc[cells["label"] == name, "p_senescent"] for name in shown],
    bins=np.linspace(0, 1, 21).tolist(),
    stacked=True,
    color=[COLOURS[name] for name in shown],
    label=[f"{name} ({(cells['label'] == name).sum()})" for name in shown],
)
sure.set(xlabel="probability of senescence", ylabel="cells", title=f"{len(cells)} cells")
if shown:
    sure.legend()
latency_ms = cells["latency_total_ns"].dropna().astype(float) / 1e6
late.hist(latency_ms, bins=40, color="#555555")
if len(latency_ms):
    median = latency_ms.median()
    late.axvline(median, color="black", linestyle="--", label=f"median {median:.0f} ms")
    late.legend()
late.set(xlabel="from the scan of the deciding row to the label, ms", ylabel="cells")
figure.savefig(arguments.out, dpi=120)
print("plot:", arguments.out)
