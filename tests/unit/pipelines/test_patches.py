"""A diff as a page shows it; and whatever else comes in its place is shown as text, within bounds."""

import subprocess
from pathlib import Path

from pipelines.explaining.code import MOST_FILES, MOST_LINES
from pipelines.explaining.patches import read_patch

DIFF = """\
# untracked: notes.txt
diff --git a/a b/train.py b/a b/train.py
index 1..2 100644
--- a/a b/train.py\t
+++ b/a b/train.py\t
@@ -1,2 +1,2 @@ def f():
 same
-old
+diff --git a/x b/x
\\ No newline at end of file
diff --git a/old.py b/new.py
similarity index 100%
rename from old.py
rename to new.py
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git a/new b/new
new file mode 100644
index 0..1
--- /dev/null
+++ b/new
@@ -0,0 +1 @@
+<script>
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/p.png b/p.png
Binary files a/p.png and b/p.png differ
"""


def test_each_file_with_its_lines() -> None:
    change = read_patch(DIFF)
    assert [(file.kind, file.before, file.path) for file in change.files] == [
        ("changed", "", "a b/train.py"),
        ("moved", "old.py", "new.py"),
        ("changed", "", "run.sh"),
        ("added", "", "new"),
        ("removed", "", "gone"),
        ("changed", "", "p.png"),
        ("untracked", "", "notes.txt"),
    ]
    assert [(line.kind, line.text) for line in change.files[0].lines] == [
        ("place", "@@ -1,2 +1,2 @@ def f():"),
        ("same", "same"),
        ("removed", "old"),
        ("added", "diff --git a/x b/x"),
        ("place", "\\ No newline at end of file"),
    ]
    assert "100755" in change.files[2].note
    assert [line.text for line in change.files[3].lines] == ["@@ -0,0 +1 @@", "<script>"]
    assert "Binary" in change.files[5].note


def test_what_git_really_writes(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
        return subprocess.run(["git", *settings, *arguments], capture_output=True, text=True, check=True).stdout

    git("init", "--quiet")
    (tmp_path / "a.py").write_text("1\n2\n3\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "a")
    (tmp_path / "a.py").write_text("1\ntwo\n3\n")
    change = read_patch(git("diff", "HEAD"))
    assert [file.path for file in change.files] == ["a.py"]
    assert [line.kind for line in change.files[0].lines] == ["place", "same", "removed", "added", "same"]


def test_no_diff_at_all_is_shown_as_it_is() -> None:
    change = read_patch("<b>hello</b>\n\nworld\n@@")
    assert [line.text for line in change.files[0].lines] == ["<b>hello</b>", "world", "@@"]
    assert read_patch("").files == []


def test_its_cost_is_bounded() -> None:
    many = read_patch("".join(f"diff --git a/{i} b/{i}\n@@ -1 +1 @@\n" + "+x\n" * 20 for i in range(MOST_FILES + 7)))
    assert (len(many.files), many.left_out) == (MOST_FILES, 7)
    assert sum(len(file.lines) for file in many.files) == MOST_LINES
    assert "more lines are left out" in many.files[-1].note
    long = read_patch("diff --git a/x b/x\n@@\n+" + "y" * 100_000)
    assert len(long.files[0].lines[1].text) == 500
