"""Finding the data that a user names, and telling what it is."""

import gzip
import io
import json
import os
import sys
import tarfile
import threading
import zipfile
from types import SimpleNamespace

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.inputs import find_inputs

SYSMON = b'{"Computer": "a", "EventID": 3}\n'
FALCON = b'{"event_simpleName": "DnsRequest", "aid": "a"}\n'


@pytest.fixture
def find(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return lambda *data, shape=None: find_inputs(data, scratch, shape=shape)


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return write


def zipped(members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(members, mode="w:gz"):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def codes(findings):
    return [finding.code for finding in findings]


def test_a_folder_is_read_with_its_folders_and_what_is_no_data_is_said(find, file):
    file("a/one.jsonl", SYSMON)
    file("b/c/part-00000.gz", gzip.compress(SYSMON))
    file("b/.hidden.jsonl", SYSMON)
    file("b/_SUCCESS", b"")
    folder = file("notes.txt", b"hello").parent
    found = find(folder)
    assert sorted(one.path.name for one in found.files) == ["one.jsonl", "part-00000.gz"]
    assert [str(finding) for finding in found.findings] == [
        f"passed-over 2 files are not data: {folder}/notes.txt, {folder}/b/_SUCCESS"
    ]


def test_a_file_of_another_kind_in_a_folder_is_said_and_left_out(find, file):
    file("one.jsonl", SYSMON)
    folder = file("users.json", b'{"UserName": "a", "UserSid": "b"}').parent
    found = find(folder)
    assert len(found.files) == 1
    assert codes(found.findings) == ["unknown-data"]


def test_a_file_that_is_reached_twice_is_read_once(find, file):
    path = file("one.jsonl", SYSMON)
    found = find(path.parent, path)
    assert len(found.files) == 1
    assert codes(found.findings) == ["named-twice"]


def test_data_of_an_unknown_shape_says_its_keys_and_those_that_would_be_right(find, file):
    path = file("x.jsonl", b'{"time": 1, "src": {"ip": "192.0.2.1"}}\n')
    with pytest.raises(PolysigmaError) as caught:
        find(path)
    [finding] = caught.value.findings
    assert finding.message == "is of no known shape; its keys: time, src.ip"
    assert "EventID and Computer" in finding.hint
    assert "winlog.event_id" in finding.hint
    assert "event_simpleName" in finding.hint
    assert "--shape sysmon|fdr" in finding.hint


def test_a_named_shape_is_not_questioned(find, file):
    path = file("x.jsonl", b'{"time": 1}\n')
    assert find(path, shape="fdr").family.name == "fdr"


def test_an_unknown_shape_name_lists_the_known_ones(find):
    with pytest.raises(PolysigmaError, match=r"unknown-shape .*sysmon, fdr"):
        find("x", shape="zeek")


def test_the_first_event_need_not_be_one_of_sysmon(find, file):
    path = file("x.jsonl", b'{"Message": "x"}\n' * 50 + b"{broken\n" + SYSMON)
    assert find(path).family.name == "sysmon"


def test_the_collector_does_not_prove_sysmon(find, file):
    with pytest.raises(PolysigmaError, match="unknown-data"):
        find(file("x.jsonl", b'{"EventID": 3, "host": "collector"}\n'))


def test_data_of_two_platforms_is_refused(find, file):
    with pytest.raises(PolysigmaError, match=r"mixed-data .*a\.jsonl is Sysmon.*b\.jsonl is Falcon"):
        find(file("a.jsonl", SYSMON), file("b.jsonl", FALCON))


@pytest.mark.parametrize("pack", [zipped, tarred, lambda members: tarred(members, "w")], ids=["zip", "tgz", "tar"])
def test_archives_are_read(find, file, pack):
    members = {
        "in/one.json": SYSMON,
        "in/part-1.gz": gzip.compress(SYSMON),
        "__MACOSX/in/._one.json": b"\0",
        "x.md": b"",
    }
    found = find(file("x.bin", pack(members)))
    assert [one.path.read_bytes() for one in found.files] == [SYSMON, members["in/part-1.gz"]]
    assert [one.name.split("/data/")[1] for one in found.files] == ["x.bin/in/one.json", "x.bin/in/part-1.gz"]
    assert codes(found.findings) == ["passed-over"]


def test_an_archive_cannot_write_outside_of_the_scratch_folder(find, file, tmp_path):
    find(file("x.zip", zipped({"../../evil.json": SYSMON})), file("x.tar", tarred({"/evil.json": SYSMON})))
    assert not list(tmp_path.glob("**/evil.json"))


def test_an_archive_in_an_archive_is_refused(find, file):
    with pytest.raises(PolysigmaError, match=r"x\.zip/y\.zip: nested-archive"):
        find(file("x.zip", zipped({"y.zip": zipped({"one.json": SYSMON})})))


def test_standard_input_is_read(find, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(gzip.compress(SYSMON))))
    [one] = find("-").files
    assert (one.name, one.gzipped) == ("standard input", True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_read(find, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(SYSMON,))
    writer.start()
    assert find(pipe).files[0].path.read_bytes() == SYSMON
    writer.join()


BROKEN = {
    "empty": (b"", "no-data"),
    "blank": (b" \n\n", "no-data"),
    "an empty array": (b"[ ]", "no-data"),
    "binary": (bytes(range(256)), "binary-file"),
    "an image": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary-file"),
    "a zero-filled file": (b"\0" * 2000, "binary-file"),
    "latin-1 text": ("größe,name\n1,2\n".encode("latin-1"), "binary-file"),
    "UTF-16": (SYSMON.decode().encode("utf-16"), "not-data"),
    "a Windows event log": (b"ElfFile\0\0\0", "not-data"),
    "zstd": (b"\x28\xb5\x2f\xfd\x00", "not-data"),
    "no JSON": (b"{hello}\n{world}\n", "not-json"),
    "an array of numbers": (b"[1, 2]", "not-json"),
    "a broken array": (b"[{", "not-json"),
    "deep JSON": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not-json"),
    "Parquet in name only": (b"PAR1 hello", "unreadable-data"),
    "gzip in name only": (b"\x1f\x8bhello, this is no gzip data", "unreadable-data"),
    "broken zip": (zipped({"a.json": SYSMON * 99})[:40], "binary-file"),
    "a zip without data": (zipped({"a.txt": b"x"}), "empty-archive"),
    "cut tar": (tarred({"a.json": os.urandom(4000)}, "w")[:2000], "unreadable-data"),
    "a log": (b"Mar  2 08:51:00 host app: hello\n", "unknown-data"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_is_no_data_is_named_with_what_is_wrong(find, file, case):
    content, code = BROKEN[case]
    path = file("x.json", content)
    with pytest.raises(PolysigmaError) as caught:
        find(path)
    assert code in codes(caught.value.findings)
    assert any(finding.file and str(path) in finding.file for finding in caught.value.findings)


def test_a_path_that_is_not_there_is_named(find, tmp_path):
    with pytest.raises(PolysigmaError, match=r"nowhere: unreadable-data cannot be read: No such file"):
        find(tmp_path / "nowhere")


def test_a_folder_without_data_says_what_would_be_read(find, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PolysigmaError, match=r"empty-folder .*\.jsonl"):
        find(tmp_path / "empty")


def test_one_very_long_line_is_looked_at(find, file):
    row = {"Image": "x" * 3_000_000, "Computer": "a", "EventID": 3}
    assert find(file("x.json", json.dumps(row).encode())).family.name == "sysmon"
