"""Commands to paste name an interpreter that the user's shell finds."""

import shutil
import sys

from nasmon.record.rebuild import typed_python


def test_commands_to_type_name_this_interpreter(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    inside, outside = tmp_path / "bin" / "python", "/usr/bin/python"
    monkeypatch.setattr(sys, "executable", str(inside))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: outside)
    assert typed_python() == "bin/python"
    monkeypatch.setattr(shutil, "which", lambda name: str(inside))
    assert typed_python() == "python"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "executable", "/opt/elsewhere/python")
    assert typed_python() == "/opt/elsewhere/python"
