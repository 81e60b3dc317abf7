"""Download of Stanford CoreNLP 3.6.0, reduced to the files that the caption metric SPICE loads."""

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import FetchError
from alm_bench.core.files import compute_sha256, translate_write_errors
from alm_bench.data.fetch import OPTION, Fetcher, check_free_space, drop_archive, fetch_archive
from alm_bench.data.unpack import unpack

URL = "https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip"
CHECKSUM: str | None = None
"""Published checksum of the archive (`sha256:...`), or None. CoreNLP's authors publish none. The download is verified
by its length, by the checksums of the archive's members, and by the presence of both jars."""

KNOWN = {
    "d341d5863276f55782c5ef73212222d6b3b48e02ae1951ab6de7618d28b12742": "the code of CoreNLP's Maven release",
    "d285157bd7887ee3018094b5dbae092e49088b023361ccdb550ee1daf9b2c9bd": "the models of CoreNLP's Maven release",
}
"""Description of each known jar, by sha256. SPICE was measured with these jars. The release archive may hold other
builds of the same release."""

_MODELS = "edu/stanford/nlp/models/"
_PARTS = {
    "dcoref": "animate.unigrams.txt countries demonyms.txt female.unigrams.txt gender.map.ser.gz "
    "inanimate.unigrams.txt male.unigrams.txt namegender.combine.txt neutral.unigrams.txt plural.unigrams.txt "
    "singular.unigrams.txt state-abbreviations.txt statesandprovinces",
    "lexparser": "englishPCFG.ser.gz",
    "ner": "english.all.3class.distsim.crf.ser.gz english.all.3class.distsim.prop "
    "english.conll.4class.distsim.crf.ser.gz english.conll.4class.distsim.prop "
    "english.muc.7class.distsim.crf.ser.gz english.muc.7class.distsim.prop",
    "sutime": "defs.sutime.txt english.holidays.sutime.txt english.sutime.txt jollyday/Holidays_sutime.xml",
}
RESOURCES = tuple(f"{_MODELS}{folder}/{name}" for folder, names in _PARTS.items() for name in names.split())
"""Members of the models jar that SPICE's pipeline can load: the parser, the three named entity recognisers, and the
tables of times, gender and animacy."""


@dataclass(frozen=True, slots=True)
class Jar:
    """A jar file from the release archive."""

    path: Path
    """Path of the written jar."""

    sha256: str
    """Sha256 of the jar as the archive holds it, before its reduction."""

    build: str | None
    """Description of the build that has this sha256; None for an unknown build."""

    reduced: bool
    """True if the written jar holds only the members that SPICE loads."""


def fetch_corenlp(fetcher: Fetcher, folder: Path, jars: tuple[str, str], keep_archive: bool = False) -> list[Jar]:
    """Download CoreNLP and write its two jars to `folder`. `jars` are the file names of the code and of the models.

    The jar of models is reduced to RESOURCES: 80 of 378 MB remain, and SPICE's output is the same. If the jar lacks a
    member of RESOURCES, all of it is written. Returns one `Jar` per file. Raises FetchError if the download fails or is
    damaged, StoreError if the files cannot be written.
    """
    archive = folder / URL.rpartition("/")[2]
    fetch_archive(fetcher, URL, archive, CHECKSUM)
    whole = folder / ".alm-bench-unpacked"  # a name that no other program uses
    found = []
    with translate_write_errors(folder, OPTION):
        for name in jars:
            unpack(archive, whole, name, fetcher.tell)
            found.append(_install_jar(whole / name, folder / name, cut=name == jars[1]))
            (whole / name).unlink(missing_ok=True)
        if not any(whole.iterdir()):
            whole.rmdir()
        drop_archive(archive, keep_archive)
    return found


def _install_jar(jar: Path, path: Path, cut: bool) -> Jar:
    """Move `jar` to `path`; with `cut`, write only its members RESOURCES, if it has all. Raises FetchError."""
    digest = compute_sha256(jar)
    try:
        with zipfile.ZipFile(jar) as opened:
            names = set(opened.namelist())
            if cut and names.issuperset(RESOURCES):
                _write_subset(opened, path)
            else:
                cut = False
                if (bad := opened.testzip()) is not None:
                    raise FetchError(f"{jar}: its member {bad} is damaged: remove it and run the same command again")
                jar.replace(path)
    except (zipfile.BadZipFile, EOFError) as error:
        raise FetchError(f"{jar} is no whole jar ({error}): remove it and run the same command again") from error
    return Jar(path, digest, KNOWN.get(digest), cut)


def _write_subset(jar: zipfile.ZipFile, path: Path) -> None:
    """Write the members RESOURCES of `jar` to a new jar at `path`. Reading each member to its end verifies its
    checksum."""
    part = path.with_name(f"{path.name}.part")
    check_free_space(path.parent, sum(jar.getinfo(name).compress_size for name in RESOURCES))
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as target:
        for name in RESOURCES:
            entry = zipfile.ZipInfo(name, jar.getinfo(name).date_time)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with jar.open(name) as source, target.open(entry, "w") as to:
                shutil.copyfileobj(source, to)
    part.replace(path)
