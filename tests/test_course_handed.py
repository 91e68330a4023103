"""Layer 5, course: what was handed in, as files, folders and archives."""

import io
import os
import time
import zipfile

import pytest

from tinyvae.course import handed
from tinyvae.course.handed import handed_in
from tinyvae.course.submission import Unreadable


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def contents(files):
    """{label: data}"""
    return {file.label: file.data for file in files}


def test_files_folders_and_archives(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "all of them" / "Jürgen Müller_1_assignsubmission_file_"
    folder.mkdir(parents=True)
    for name in ("hw.ipynb", "b.PY", "words.txt", ".hidden.py"):
        (folder / name).write_bytes(name.encode())
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "hw.ipynb").write_bytes(b"old")
    inner = zipped(**{"x/mine.py": b"inner", "__MACOSX/._mine.py": b"no"})
    (tmp_path / "export.zip").write_bytes(zipped(**{"Zoë_2/a.py": b"a", "../../up.py": b"up", "Eve_3/more.zip": inner, "Mallory_4/bad.zip": b"PK"}))
    (tmp_path / "words.txt").write_bytes(b"words")
    found = contents(handed_in(["all of them", "export.zip", "export.zip", "words.txt"]))
    assert list(found) == sorted(found) and sorted(p.name for p in tmp_path.iterdir()) == ["all of them", "export.zip", "words.txt"]
    assert isinstance(found.pop("export.zip/Mallory_4/bad.zip"), Unreadable)
    assert found == {
        "all of them/Jürgen Müller_1_assignsubmission_file_/b.PY": b"b.PY",
        "all of them/Jürgen Müller_1_assignsubmission_file_/hw.ipynb": b"hw.ipynb",
        "export.zip/Eve_3/more.zip/x/mine.py": b"inner",
        "export.zip/Zoë_2/a.py": b"a",
        "words.txt": b"words",
    }


def test_bad_archives_large_ones_and_links_cost_themselves(tmp_path, monkeypatch):
    monkeypatch.setattr(handed, "FILE_BYTES", 1000)
    whole = zipped(**{"a.py": b"x" * 999, "b.py": b"y" * 100_000})
    (tmp_path / "a.zip").write_bytes(whole)
    (tmp_path / "b.zip").write_bytes(whole[:-30])
    (tmp_path / "c.zip").write_bytes(zipped(**{"words.txt": b""}))
    found = {label.removeprefix(tmp_path.as_posix() + "/"): data for label, data in contents(handed_in([tmp_path])).items()}
    assert found["a.zip/a.py"] == b"x" * 999 and len(found["a.zip/b.py"]) == 1001  # more than is read of it, as the reader will say
    assert "no zip archive" in str(found["b.zip"]) and "no notebook" in str(found["c.zip"])
    with pytest.raises(ValueError, match="which does not exist"):
        handed_in([tmp_path / "none"])
    monkeypatch.setattr(handed, "FILES", 1)
    with pytest.raises(ValueError, match="grade them in parts"):
        handed_in([tmp_path])


def test_who_handed_in_nothing_that_can_be_graded_is_told_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    zoe, eve, bob = (f"{name}_{n}_assignsubmission_" for n, name in enumerate(("Zoë Ng", "Eve", "Bob")))
    members = {f"{zoe}file_/report.pdf": b"", f"{zoe}file_/more.pdf": b"", f"{zoe}onlinetext/onlinetext.html": b"", f"{eve}file_/a.py": b"a", f"{eve}file_/b.pdf": b""}
    members |= {f"{bob}file_/.DS_Store": b"", "read me.txt": b"", "ngzoe_1_2_scan.jpg": b""}
    (tmp_path / "all.zip").write_bytes(zipped(**members))
    found = contents(handed_in(["all.zip"]))
    told = {label: str(data) for label, data in found.items() if isinstance(data, Unreadable)}
    assert list(found) == [f"all.zip/{eve}file_/a.py", f"all.zip/{zoe}file_/more.pdf", "all.zip/ngzoe_1_2_scan.jpg"]
    assert list(told) == list(found)[1:] and told["all.zip/ngzoe_1_2_scan.jpg"].endswith("scan.jpg is no notebook (.ipynb) and no program (.py): hand in one of them")
    (tmp_path / "pdf.zip").write_bytes(zipped(**{f"{zoe}file_/report.pdf": b""}))
    assert [file.label for file in handed_in(["pdf.zip"])] == [f"pdf.zip/{zoe}file_/report.pdf"]
    with zipfile.ZipFile("all.zip") as archive:
        archive.extractall("folder")
    assert [label.removeprefix("folder/") for label in contents(handed_in(["folder"]))] == [label.removeprefix("all.zip/") for label in found]


def test_a_folder_can_be_named_from_anywhere(tmp_path, monkeypatch):
    """What is hidden is so by its path in the folder that is named, not by the path to that."""
    folder = tmp_path / ".courses" / "in"
    (folder / ".cache").mkdir(parents=True)
    for path in (folder / "a.py", folder / ".cache" / "b.py"):
        path.write_bytes(b"a")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("../.courses/in", str(folder)):
        assert contents(handed_in([name])) == {f"{name}/a.py": b"a"}


def damaged():
    """{name: archive} that make `zipfile` raise errors of many classes, most of them in some versions of Python alone."""
    plain = zipped(**{"a.py": b"x" * 50})
    found = {"empty.zip": plain.replace(b"a.py", b"\0.py"), "dot.zip": zipped(**{"....": b"x"}).replace(b"....", b"./.."), "cut.zip": plain[:-9]}
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("a.py", b"x" * 50)
        found["lzma.zip"] = file.getvalue().replace(b"\x05\x00]", b"\x05\x00\xff")
    return found


def test_no_archive_stops_the_others(tmp_path):
    (tmp_path / "in").mkdir()
    for name, data in damaged().items():
        (tmp_path / "in" / name).write_bytes(data)
        handed_in([tmp_path / "in" / name])
    (tmp_path / "in" / "good.py").write_bytes(b"good")
    found = {label.rpartition("/in/")[2]: data for label, data in contents(handed_in([tmp_path / "in"])).items()}
    assert found["good.py"] == b"good" and isinstance(found["lzma.zip/a.py"], Unreadable) and isinstance(found["cut.zip"], Unreadable)
    assert contents(handed_in([tmp_path / "in" / "dot.zip"])) and not any(isinstance(data, bytes) for label, data in found.items() if ".zip" in label and label[:4] != "empt")


def test_a_students_archive_is_no_larger_than_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(handed, "FILE_BYTES", 400)
    (tmp_path / "s.zip").write_bytes(zipped(**{f"{n}.py": b"x" for n in range(20)}))
    (data,) = contents(handed_in([tmp_path])).values()
    assert isinstance(data, Unreadable) and str(data).startswith("s.zip has more than 0 MB: hand in")


def test_names_in_archives_of_those_who_do_not_say_that_they_write_utf_8(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = zipped(**{"Zoë Müller_1_assignsubmission_file_/a.py": b"a"})
    for name, archive in {"flag.zip": data, "none.zip": data.replace(b"\x00\x08\x08\x00", b"\x00\x00\x08\x00")}.items():
        (tmp_path / name).write_bytes(archive)
        assert list(contents(handed_in([name]))) == [f"{name}/Zoë Müller_1_assignsubmission_file_/a.py"]
    assert (tmp_path / "none.zip").read_bytes() != data
    old = zipped(**{"Zo_ M_ller_1_assignsubmission_file_/a.py": b"a"}).replace(b"Zo_ M_", "Zoë Mü".encode("cp437"))
    (tmp_path / "old.zip").write_bytes(old)
    assert list(contents(handed_in(["old.zip"]))) == ["old.zip/Zoë Müller_1_assignsubmission_file_/a.py"]


def test_a_students_archives_cost_this_student_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(handed, "FILES", 6)
    monkeypatch.setattr(handed, "EACH_FILES", 3)
    monkeypatch.setattr(handed, "EACH_BYTES", 1000)
    many, large = zipped(**{f"{n}.py": b"x" for n in range(9)}), zipped(**{f"{n}.py": b"x" * 400 for n in range(3)})
    mallory, eve = "Mallory_3_assignsubmission_file_", "eve_7_8_large.zip"
    members = {f"{mallory}/a.zip": many, f"{mallory}/b.zip": many, eve: large, "Zoë_2_assignsubmission_file_/a.py": b"a"}
    (tmp_path / "all.zip").write_bytes(zipped(**members))
    files = handed_in(["all.zip", "all.zip"])
    found = contents(files)
    assert len(files) == len(found) == 3 + 2 + 2 + 1 + 1, "three of Mallory's, two of Eve's, one that cannot be read of each archive, and Zoë's"
    for archive in (f"{mallory}/a.zip", f"{mallory}/b.zip", eve):
        assert "not read to its end" in str(found[f"all.zip/{archive}"]) and archive.rpartition("/")[2] in str(found[f"all.zip/{archive}"])
    assert {file.path for file in files} == {f"all.zip/{name}" for name in members}, "no name inside a student's archive stands in what was handed in"
    (tmp_path / "in folders").mkdir()
    (tmp_path / "in folders" / "a.zip").write_bytes(many)
    assert {file.path for file in handed_in(["in folders"])} == {"in folders/a.zip"}
    (tmp_path / "in folders" / "a.zip").write_bytes(large)
    assert len({file.path for file in handed_in(["in folders", "in folders/a.zip"])}) == 3, "what is named itself is a platform's"


def test_times_of_files_and_members(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("all.zip", "w") as archive:
        for year, data in ((2001, b"x"), (1999, zipped(**{"new.py": b"now"}))):
            archive.writestr(zipfile.ZipInfo(f"{year}.{'py' if data == b'x' else 'zip'}", (year, 5, 5, 5, 5, 4)), data)
    (tmp_path / "late.py").write_bytes(b"late")
    os.utime("late.py", (1e9, 1e9))
    times = {file.label: time.gmtime(file.time).tm_year for file in handed_in(["all.zip", "late.py"])}
    assert times == {"all.zip/1999.zip/new.py": 1999, "all.zip/2001.py": 2001, "late.py": 2001}, "a student's archive has its own time, not its members'"
