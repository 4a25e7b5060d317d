"""What the site is made of: the pages of the repository where they lie, and the API.

Every page has the place that it has in the repository, so that its links need no change; what a
page links to besides is laid beside it.
"""

import re
from importlib import import_module
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = ("*.md", "docs/*.md", "bench/*.md")
BESIDE = (
    *("LICENSE", "NOTICE", "CITATION.cff", "train/defaults.yaml"),
    *("docs/*.png", "bench/*.png", "docs/examples/*", "docs/site/*.css"),
)
PACKAGES = ("nasmon", "nasmon.train", "nasmon.analysis")

_layout = TemporaryDirectory(prefix="nasmon-docs-")


# before mkdocstrings' own, which reads the paths
@event_priority(100)
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Shows the packages as they are installed, all of them below nasmon, to mkdocstrings."""
    below = Path(_layout.name) / "nasmon"
    # copies, for it follows no links to folders
    copytree(ROOT / "nasmon", below, copy_function=_copy, dirs_exist_ok=True)
    for folder in ("kernels", "train", "analysis"):
        copytree(ROOT / folder, below / folder, copy_function=_copy, dirs_exist_ok=True)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [_layout.name]
    return config


def _copy(source: str, target: str) -> None:
    """A module whose examples are under the only heading that mkdocstrings shows as code."""
    if source.endswith(".py"):
        text = Path(source).read_text("utf-8")
        Path(target).write_text(
            re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.M), "utf-8"
        )


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages of the repository instead of those of docs/ alone, and the theme's files."""
    theirs = [file for file in files if file.src_dir != config.docs_dir]
    paths = [path for pattern in (*PAGES, *BESIDE) for path in sorted(ROOT.glob(pattern))]
    ours = [
        File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
        for path in paths
        if path.is_file()
    ]
    api = [
        File.generated(config, f"api/{name.rpartition('.')[2]}.md", content=api_page(name))
        for name in PACKAGES
    ]
    return Files([*theirs, *ours, *api])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Without the comments that tell where a table comes from: a table needs a line before it."""
    return re.sub(r"^<!--.*?-->\n", "\n", markdown, flags=re.MULTILINE | re.DOTALL)


def api_page(package: str) -> str:
    """Every public name of a package with its docstring."""
    module = import_module(package)
    about, _, more = (module.__doc__ or "").partition("\n")
    names = (f"::: {package}.{name}" for name in module.__all__)
    return "\n\n".join([f"# {package}", about, more.strip(), *names])
