"""Pages of figures in Markdown: headings, paragraphs and tables, and the machine they are of."""

import datetime
import os
import pathlib
import platform
from collections.abc import Iterable


class Page:
    """A page that grows from top to bottom."""

    def __init__(self, title: str):
        self.parts = [f"# {title}"]

    def heading(self, text: str) -> None:
        """Begin a section."""
        self.parts.append(f"## {text}")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self.parts.append(text)

    def code(self, text: str) -> None:
        """Add a command."""
        self.parts.append(f"```sh\n{text}\n```")

    def points(self, texts: Iterable[str]) -> None:
        """Add a list."""
        self.parts.append("\n".join(f"* {text}" for text in texts))

    def table(self, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
        """Add a table; the first column is text, the others are set to the right."""
        columns = list(columns)
        lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
        escaped = [[str(cell).replace("|", r"\|") for cell in cells] for cells in lines]
        self.parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in escaped))

    def __str__(self) -> str:
        return "\n\n".join(self.parts) + "\n"

    def write(self, path: pathlib.Path) -> None:
        """Write the page to a file."""
        path.write_text(str(self), encoding="utf-8")


def machine() -> str:
    """Return processor, system and date in a sentence."""
    cpu = pathlib.Path("/proc/cpuinfo").read_text()
    fields = dict(line.split(":", 1) for line in cpu.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    name = fields.get("model name", platform.machine())
    family = f"family {fields.get('cpu family', '?')} model {fields.get('model', '?')}"
    special = [
        flag for flag in ("avx2", "avx512f", "avx512_bf16") if flag in fields.get("flags", "")
    ]
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"{name} ({family}; {', '.join(special) or 'no AVX2'}), {os.cpu_count()} processors, "
        f"{platform.system()} {platform.release().split('-')[0]}, {today}"
    )
