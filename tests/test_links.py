"""Links in the documentation lead to files and headings that exist. No network is used."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.M | re.S)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.M)


def list_pages() -> list[str]:
    """Return the tracked markdown files, or all outside of hidden folders where this is no checkout."""
    try:
        command = ["git", "ls-files", "-z", "*.md"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        names = [name for name in done.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = []
    pages = names or [str(path.relative_to(ROOT)) for path in ROOT.rglob("*.md") if not hidden(path)]
    return sorted(name for name in pages if (ROOT / name).is_file())


def hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(ROOT).parts)


def list_anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    anchors: dict[str, int] = {}
    names = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = anchors.get(anchor, 0)
        anchors[anchor] = number + 1
        names.add(f"{anchor}-{number}" if number else anchor)
    return names


def list_broken_links(page: Path, text: str) -> list[str]:
    """Return the links of a page to files or headings that do not exist; addresses of the web are not followed."""
    broken = []
    for target in _LINK.findall(_CODE.sub("", _FENCE.sub("", text))):
        if re.match(r"[a-z][a-z+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in list_anchors(path.read_text(encoding="utf-8"))):
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", list_pages())
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    assert not list_broken_links(path, path.read_text(encoding="utf-8"))


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    linked = set(_LINK.findall((ROOT / "docs/index.md").read_text(encoding="utf-8")))
    pages = {page.removeprefix("docs/") for page in list_pages() if page.startswith("docs/")}
    assert pages - linked == {"index.md"}


def test_broken_links_are_reported(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# A `code` heading, twice\n# A code heading, twice\n```sh\n# no heading\n```\n")
    page = tmp_path / "a.md"
    good = (
        "[1](b.md) [2](b.md#a-code-heading-twice-1) [3](https://example.org/x) `[4](none.md)`\n```\n[5](none.md)\n```\n"
    )
    assert list_broken_links(page, good) == []
    assert list_broken_links(page, "[1](c.md) [2](b.md#no-heading)") == ["c.md", "b.md#no-heading"]
