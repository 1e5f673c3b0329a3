"""Finds the data that a user named: files, folders, archives, standard input; their format and their shape.

What a file is, its content says, not its name: `part-00000.gz` of the Falcon Data Replicator holds JSON lines. Names
only choose which files of a folder or an archive are data. What DuckDB cannot read in place (archives, pipes, text with
a byte order mark) is copied to the given folder first.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import sys
import tarfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from polysigma.diagnostics import Diagnostic, PolysigmaError, Severity
from polysigma.engines import sniff
from polysigma.engines.shapes import Family, family, recognise, unrecognised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DATA_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".gz", ".zip", ".tar", ".tgz")
"""How the names of data files end. Files of a folder or an archive that end otherwise are passed over."""

STANDARD_INPUT = "-"

_HEAD = 1 << 20
_LONGEST_LINE = 16 << 20
"""The longest line that is looked at, and DuckDB's own limit for one JSON object."""


@dataclass(frozen=True, slots=True)
class Input:
    """One file, ready to be loaded: the name to show, the regular file to read, what it is."""

    name: str
    path: Path
    content: sniff.Content
    family: Family
    gzipped: bool

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size


@dataclass(slots=True)
class Inputs:
    """Everything that is to be loaded, all of one family, and what was found to say about the rest."""

    family: Family
    files: list[Input]
    scratch: Path
    """A folder for what is too large for memory."""
    findings: list[Diagnostic] = field(default_factory=list)


def find_inputs(data: Sequence[str | Path], scratch: Path, *, shape: str | None = None) -> Inputs:
    """The inputs that `data` names: files, folders (recursively), `-` for standard input.

    `scratch` is an existing folder for copies and for the database; it must outlive the inputs. `shape` names the
    family where it is not to be recognised. A file of a folder or an archive that is not data becomes a finding.
    Raises PolysigmaError where a file that was named itself is not data, where nothing is left, or where the files are
    of several families.
    """
    search = _Search(scratch, family(shape) if shape else None)
    for entry in data:
        search.add(str(entry))
    return search.result()


class _Search:
    def __init__(self, scratch: Path, named: Family | None) -> None:
        self.scratch = scratch
        self.named = named
        self.files: list[Input] = []
        self.findings: list[Diagnostic] = []
        self.passed_over: list[str] = []
        self.copies = 0
        self.seen: set[Path] = set()

    def add(self, entry: str) -> None:
        if entry == STANDARD_INPUT:
            self._open("standard input", self._copy(sys.stdin.buffer), inside=False)
            return
        path = Path(entry)
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                self._folder(path)
            elif stat.S_ISREG(mode):
                self._file(entry, path, inside=False)
            elif stat.S_ISFIFO(mode):  # a pipe of the shell's: <(zcat ...)
                with path.open("rb") as pipe:
                    self._open(entry, self._copy(pipe), inside=False)
            else:
                raise PolysigmaError(Diagnostic("unreadable-data", "is neither a file nor a folder", None, entry))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PolysigmaError(Diagnostic("unreadable-data", f"cannot be read: {reason}", None, entry)) from None

    def _folder(self, folder: Path) -> None:
        before = len(self.files)
        for parent, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(parent, name)
                if _is_data(name) and path.is_file():
                    self._file(str(path), path, inside=True)
                elif not name.startswith("."):
                    self.passed_over.append(str(path))
        if len(self.files) == before:
            endings = " ".join(DATA_SUFFIXES)
            self.findings.append(
                Diagnostic(
                    "empty-folder",
                    "holds no data",
                    f"files of a folder are read when they end in one of {endings}",
                    str(folder),
                    severity=Severity.WARNING,
                )
            )

    def _file(self, name: str, path: Path, *, inside: bool) -> None:
        """Adds a file of the user's, once: reading it twice would double every count."""
        if path.resolve() in self.seen:
            message = "is named twice and read once"
            self.findings.append(Diagnostic("named-twice", message, None, name, severity=Severity.WARNING))
            return
        self.seen.add(path.resolve())
        shown = name.encode("utf-8", "replace").decode()
        if shown != name or (os.sep == "/" and "\\" in name):  # DuckDB has no way to write such a name
            with path.open("rb") as file:
                path = self._copy(file)
        self._open(shown, path, inside=inside)

    def _open(self, name: str, path: Path, *, inside: bool, packed: bool = False) -> None:
        """Adds a file. One that is not data is an error, unless it is inside a folder or an archive: then a finding."""
        try:
            self._classify(name, path, in_archive=packed)
        except PolysigmaError as error:
            if not inside:
                raise
            self.findings += [
                Diagnostic(one.code, one.message, one.hint, one.file, one.at, Severity.WARNING)
                for one in error.findings
            ]

    def _classify(self, name: str, path: Path, *, in_archive: bool) -> None:
        with path.open("rb") as file:
            magic = file.read(512)
        packed = magic.startswith(b"\x1f\x8b")
        try:
            head, whole = _head(path, gzipped=packed)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise PolysigmaError(
                Diagnostic("unreadable-data", f"is not whole gzip data: {error}", None, name)
            ) from None
        archive = None
        if magic.startswith(b"PK") and zipfile.is_zipfile(path):
            archive = _zip_members(path, name)
        elif head[257:262] == b"ustar":
            archive = _tar_members(path)
        if archive and in_archive:
            raise PolysigmaError(Diagnostic("nested-archive", "is an archive in an archive", "unpack it first", name))
        if archive:
            self._archive(name, archive)
        else:
            self._data(name, path, head, whole=whole, packed=packed)

    def _data(self, name: str, path: Path, head: bytes, *, whole: bool, packed: bool) -> None:
        if head.startswith(sniff.UTF8_MARK):
            with open_data(path, gzipped=packed) as file:
                file.read(len(sniff.UTF8_MARK))
                path, packed = self._copy(file), False
            head = head.removeprefix(sniff.UTF8_MARK)
        content = sniff.content_of(head, whole=whole, file=name, path=path, lenient=self.named is not None)
        if content is None:
            self.findings.append(Diagnostic("empty-file", "holds no events", None, name, severity=Severity.WARNING))
            return
        found = self.named or recognise(content.rows)
        if found is None:
            raise PolysigmaError(unrecognised(name, content.keys))
        self.files.append(Input(name, path, content, found, packed))

    def _archive(self, name: str, members: Iterator[tuple[str, IO[bytes]]]) -> None:
        before, said = len(self.files), len(self.findings)
        try:
            for member, file in members:
                parts = PurePosixPath(member).parts
                if any(part.startswith((".", "__MACOSX")) and part not in {".", ".."} for part in parts):
                    continue
                label = f"{name}/{member}"
                if _is_data(parts[-1]):
                    self._open(label, self._copy(file), inside=True, packed=True)
                else:
                    self.passed_over.append(label)
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError) as error:
            raise PolysigmaError(Diagnostic("unreadable-data", f"is a broken archive: {error}", None, name)) from None
        if len(self.files) == before:
            reasons = self.findings[said:]
            del self.findings[said:]
            raise PolysigmaError(Diagnostic("empty-archive", "holds no data", None, name), *reasons)

    def _copy(self, source: IO[bytes]) -> Path:
        self.copies += 1
        target = self.scratch / f"input-{self.copies}"
        with target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        return target

    def result(self) -> Inputs:
        if self.passed_over:
            shown = ", ".join(self.passed_over[:3]) + (", ..." if len(self.passed_over) > 3 else "")
            many = f"{len(self.passed_over)} files are not data" if len(self.passed_over) > 1 else "1 file is not data"
            self.findings.append(Diagnostic("passed-over", f"{many}: {shown}", severity=Severity.WARNING))
        found: dict[str, Input] = {}
        for one in self.files:
            found.setdefault(one.family.name, one)
        if len(found) > 1:
            named = "; ".join(f"{one.name} is {one.family.title}" for one in found.values())
            raise PolysigmaError(
                Diagnostic("mixed-data", f"the data is of several platforms: {named}", "replay each by itself")
            )
        if not found and self.named is None:
            reasons = [finding for finding in self.findings if finding.code != "passed-over"]
            raise PolysigmaError(
                Diagnostic("no-data", "no events were found", "name files or folders that hold events"), *reasons
            )
        return Inputs(self.named or self.files[0].family, self.files, self.scratch, self.findings)


def open_data(path: Path, *, gzipped: bool) -> IO[bytes]:
    """A file to read bytes from, unpacked."""
    return cast("IO[bytes]", gzip.open(path)) if gzipped else path.open("rb")


def _is_data(name: str) -> bool:
    return not name.startswith((".", "_")) and name.lower().endswith(DATA_SUFFIXES)


def _head(path: Path, *, gzipped: bool) -> tuple[bytes, bool]:
    """The first bytes of a file (unpacked), at least one line if lines are bearable, and whether that is all of it."""
    with open_data(path, gzipped=gzipped) as file:
        head = file.read(_HEAD)
        while b"\n" not in head and len(head) < _LONGEST_LINE:
            more = file.read(_HEAD)
            if not more:
                break
            head += more
        return head, not file.read(1)


def _zip_members(path: Path, name: str) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.flag_bits & 1:
                raise PolysigmaError(Diagnostic("unreadable-data", "is encrypted", "unpack it first", name))
            if not member.is_dir():
                with archive.open(member) as file:
                    yield member.filename, file


def _tar_members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file
