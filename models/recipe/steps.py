"""Runs a chain of commands and skips those whose inputs have not changed."""

import ast
import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """A command with the files or folders that it reads and writes."""

    name: str
    command: Sequence[str]
    inputs: Sequence[Path] = field(default_factory=tuple)
    outputs: Sequence[Path] = field(default_factory=tuple)
    cwd: Path | None = None


def sources(module: Path) -> list[Path]:
    """Return a module's file and those of its package that it imports, and so on."""
    found: dict[Path, None] = {}
    waiting = [module]
    while waiting:
        path = waiting.pop()
        if path in found or not path.exists():
            continue
        found[path] = None
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                imported = [name.name for name in node.names]
                names = [node.module] if node.module else ["__init__", *imported]
                waiting += [path.with_name(f"{name}.py") for name in names]
    return sorted(found)


def files(path: Path) -> list[Path]:
    """Return a file itself, or the files in a folder in order."""
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def fingerprint(step: Step) -> str:
    """Hash the command and the contents of its inputs."""
    total = hashlib.sha256("\0".join(step.command).encode())
    for path in (file for item in step.inputs for file in files(item)):
        with path.open("rb") as opened:
            total.update(hashlib.file_digest(opened, "sha256").digest())
    return total.hexdigest()


def run(steps: Sequence[Step], stamps: Path) -> None:
    """Run each step unless its stamp shows that it ran on the same inputs.

    Raises subprocess.CalledProcessError when a command fails; what ran before it stays done.
    """
    stamps.mkdir(parents=True, exist_ok=True)
    for number, step in enumerate(steps, 1):
        stamp = stamps / step.name
        print(f"[{number}/{len(steps)}] {step.name}", flush=True)
        key = fingerprint(step)
        done = stamp.exists() and stamp.read_text(encoding="utf-8") == key
        if done and step.outputs and all(path.exists() for path in step.outputs):
            print("    unchanged, skipped", flush=True)
            continue
        stamp.unlink(missing_ok=True)
        subprocess.run(step.command, check=True, cwd=step.cwd)
        stamp.write_text(key, encoding="utf-8")
