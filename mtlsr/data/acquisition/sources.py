"""Where data sets come from: the addresses that their authors publish, and where they are kept.

A prepared data set lies in ``data_folder() / <name>``, in the folders that ``Archive.folders``
names:

    div2k      DIV2K_train_HR/0001.png ... 0800.png, DIV2K_valid_HR/0801.png ... 0900.png
    flickr2k   Flickr2K_HR/000001.png ... 002650.png
    bsds400    train/*.jpg, test/*.jpg
    set5 ...   HR/*.png
    kodak24    kodim01.png ... kodim24.png

``df2k`` has no folder of its own: it is ``div2k`` and ``flickr2k``. Sizes and hashes are those that
other projects publish for these addresses: TensorFlow Datasets (DIV2K), catalyst and torchsr
(Flickr2K), torchsr (the benchmarks), several (BSDS500). Where there is none, the first download is
remembered and later ones are compared with it (``mtlsr.data.acquisition.fetch``).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

VARIABLE = "MTLSR_DATA"
"""Environment variable that names another folder for prepared data."""


@dataclass(frozen=True)
class Archive:
    """One file to download: a zip or tar archive, or an image as it is."""

    url: str
    name: str
    """Its file name, and below a mirror its address."""
    size: int | None = None
    """Bytes, where they are known for sure."""
    sha256: str | None = None
    md5: str | None = None
    """For those whose only published hash is this one."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """Folder in the archive -> folder in the data set; what lies elsewhere is left in the archive.
    Empty: all of it, as it lies."""
    without: tuple[str, ...] = ()
    """File names that are left in the archive."""


@dataclass(frozen=True)
class Source:
    """How to come by a data set."""

    where: str
    """One sentence for people: who publishes it and at which address."""
    archives: tuple[Archive, ...] = ()
    """Empty: nothing can be downloaded without a person."""
    parts: tuple[str, ...] = ()
    """Names of the data sets that this one consists of."""
    included: bool = False
    """Whether it comes with this package's requirements, and nothing is to be fetched."""


def data_folder() -> Path:
    """The folder of prepared data sets: ``$MTLSR_DATA``, or the user's data folder."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    return Path(platformdirs.user_data_path("mtlsr", appauthor=False))


_ETH = "http://data.vision.ee.ethz.ch/cvl/DIV2K/"
_SNU = "https://cv.snu.ac.kr/research/EDSR/"
_BERKELEY = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/BSR/"
_BSDS_IMAGES = "BSR/BSDS500/data/images/"
_KODAK = "https://r0k.us/graphics/kodak/kodak/"


def _benchmark(name: str) -> Source:
    """A benchmark as the authors of EDSR pack it: its high resolution, from which LR is made."""
    return Source(
        where=f"{name} comes in the archive that the authors of EDSR publish, {_SNU}benchmark.tar.",
        archives=(
            Archive(
                url=_SNU + "benchmark.tar",
                name="benchmark.tar",
                md5="4ace41d33c2384b97e6b320cd0afd6ba",
                folders={f"benchmark/{name}/HR": "HR"},
            ),
        ),
    )


SOURCES: dict[str, Source] = {
    "photos": Source(
        where="photos comes with scikit-image and scikit-learn: nothing is downloaded.",
        included=True,
    ),
    "div2k": Source(
        where="DIV2K is published by ETH Zurich, https://data.vision.ee.ethz.ch/cvl/DIV2K/.",
        archives=(
            Archive(
                url=_ETH + "DIV2K_train_HR.zip",
                name="DIV2K_train_HR.zip",
                size=3530603713,
                sha256="9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
                folders={"DIV2K_train_HR": "DIV2K_train_HR"},
            ),
            Archive(
                url=_ETH + "DIV2K_valid_HR.zip",
                name="DIV2K_valid_HR.zip",
                size=448993893,
                sha256="20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
                folders={"DIV2K_valid_HR": "DIV2K_valid_HR"},
            ),
        ),
    ),
    "flickr2k": Source(
        where=f"Flickr2K is published by Seoul National University, {_SNU}Flickr2K.tar.",
        archives=(
            Archive(
                url=_SNU + "Flickr2K.tar",
                name="Flickr2K.tar",
                md5="5d3f39443d5e9489bff8963f8f26cb03",
                folders={"Flickr2K/Flickr2K_HR": "Flickr2K_HR"},
            ),
        ),
    ),
    "df2k": Source(where="DF2K is DIV2K and Flickr2K together.", parts=("div2k", "flickr2k")),
    "bsds400": Source(
        where="BSDS400 is the training and test part of BSDS500, published by UC Berkeley, "
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html.",
        archives=(
            Archive(
                url=_BERKELEY + "BSR_bsds500.tgz",
                name="BSR_bsds500.tgz",
                size=70763455,
                sha256="97e49d31764f3912f0c4122707d53062ac9e783ba0f095e447a4d53c1a41af8e",
                folders={_BSDS_IMAGES + "train": "train", _BSDS_IMAGES + "test": "test"},
                without=("302003.jpg", "Thumbs.db"),  # 302003 is also in Set5
            ),
        ),
    ),
    "t91": Source(
        where="T91 comes inside the code of Yang et al., "
        "http://www.ifp.illinois.edu/~jyang29/codes/ScSR.rar: unpack it by hand."
    ),
    "cid22": Source(
        where="CID22 is published by Cloudinary, https://cloudinary.com/labs/cid22, where its "
        "reference images are to be downloaded by hand."
    ),
    "clic2025": Source(
        where="The photographs of CLIC 2025 come from the challenge's page, "
        "https://clic2025.compression.cc/, by hand."
    ),
    "set5": _benchmark("Set5"),
    "set14": _benchmark("Set14"),
    "b100": _benchmark("B100"),
    "urban100": _benchmark("Urban100"),
    "manga109": Source(
        where="Manga109 is given to researchers who ask for it, http://www.manga109.org/en/: its "
        "licence forbids to pass it on."
    ),
    "kodak24": Source(
        where="The Kodak suite is published by Rich Franzen, https://r0k.us/graphics/kodak/.",
        archives=tuple(
            Archive(url=f"{_KODAK}kodim{i:02d}.png", name=f"kodim{i:02d}.png") for i in range(1, 25)
        ),
    ),
}
"""Every named data set that is prepared once; ``folder`` and ``pairs`` are always given by root."""
