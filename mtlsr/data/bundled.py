"""The ``photos`` data set: photographs that come inside the scikit-image and scikit-learn wheels.

They need no download, so that training works anywhere. Licences and sources are quoted from the
packages' own notes (``skimage/data/_fetchers.py``, ``sklearn/datasets/images/README.txt``).
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mtlsr.errors import UserError

_FOLDERS = {"skimage": ("data", "scikit-image"), "sklearn": ("datasets/images", "scikit-learn")}


@dataclass(frozen=True)
class Photograph:
    """One photograph in an installed package."""

    name: str
    """The word to call it by."""
    package: str
    """Import name of the package that carries it."""
    file: str
    """File name in the package's image folder."""
    licence: str
    """As the package states it."""
    source: str
    """Who took it or published it."""

    @property
    def path(self) -> Path:
        """Where the file is.

        Raises:
            ValueError: the package is not installed, or comes without this file.
        """
        folder, distribution = _FOLDERS[self.package]
        spec = find_spec(self.package)  # importing the package itself would take seconds
        if spec is None or not spec.submodule_search_locations:
            raise UserError(
                f"The photograph {self.name} comes with {distribution}, which is not installed: "
                f"pip install {distribution}."
            )
        path = Path(spec.submodule_search_locations[0]) / folder / self.file
        if not path.is_file():
            raise UserError(f"This {distribution} comes without {path}; install another version.")
        return path


_CC0 = "CC0 1.0"
_CC_BY = "CC BY 2.0"
_PUBLIC = "public domain"
_MIDDLEBURY = "Middlebury 2014 stereo benchmark, D. Scharstein et al."

TRAIN = (
    Photograph("rocket", "skimage", "rocket.jpg", _PUBLIC, "SpaceX"),
    Photograph("motorcycle_left", "skimage", "motorcycle_left.png", "not stated", _MIDDLEBURY),
    Photograph("motorcycle_right", "skimage", "motorcycle_right.png", "not stated", _MIDDLEBURY),
    Photograph(
        "hubble_deep_field", "skimage", "hubble_deep_field.jpg", _PUBLIC, "NASA, HubbleSite"
    ),
    Photograph("retina", "skimage", "retina.jpg", _CC0, "Mikael Häggström, Wikimedia Commons"),
    Photograph("grass", "skimage", "grass.png", _CC0, "linolafett, DeviantArt"),
    Photograph("gravel", "skimage", "gravel.png", _CC0, "CC0Textures, Gravel04"),
    Photograph("brick", "skimage", "brick.png", _CC0, "CC0Textures, Bricks25"),
    Photograph("camera", "skimage", "camera.png", _CC0, "Lav Varshney"),
    Photograph("coins", "skimage", "coins.png", "no known restrictions", "Brooklyn Museum"),
    Photograph("china", "sklearn", "china.jpg", _CC_BY, "danielbuechele, Flickr"),
    Photograph("flower", "sklearn", "flower.jpg", _CC_BY, "vultilion, Flickr"),
)

VAL = (Photograph("astronaut", "skimage", "astronaut.png", _PUBLIC, "NASA"),)

TEST = (
    Photograph("coffee", "skimage", "coffee.png", _CC0, "Rachel Michetti"),
    Photograph("chelsea", "skimage", "chelsea.png", _CC0, "Stefan van der Walt"),
)
