"""What is known about each data set: its licence, as its authors state it, and whom to cite."""

from dataclasses import dataclass

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Card:
    """Facts about one data set."""

    licence: str
    """``NOT_STATED`` where its authors say nothing."""
    citation: str


_BSDS = "non-commercial research and education only"

CARDS: dict[str, Card] = {
    "t91": Card(
        NOT_STATED,
        "Yang et al., Image Super-Resolution via Sparse Representation, IEEE TIP 2010 "
        "(91 training images)",
    ),
    "bsds400": Card(
        _BSDS,
        "Arbeláez et al., Contour Detection and Hierarchical Image Segmentation, IEEE TPAMI 2011 "
        "(training and test images)",
    ),
    "cid22": Card(
        "CC BY-SA 4.0",
        "Sneyers, Ben Baruch and Vaxman, CID22: Large-Scale Subjective Quality Assessment for High "
        "Fidelity Image Compression, 2023",
    ),
    "clic2025": Card(
        "Unsplash licence",
        "Challenge on Learned Image Compression 2025, clic2025.compression.cc",
    ),
    "div2k": Card(
        "academic research only; the images stay their owners'",
        "Agustsson and Timofte, NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and "
        "Study, CVPR Workshops 2017",
    ),
    "flickr2k": Card(
        "not stated for all; each image has its own Flickr licence",
        "Lim et al., Enhanced Deep Residual Networks for Single Image Super-Resolution, and "
        "Timofte et al., NTIRE 2017 Challenge on Single Image Super-Resolution: Methods and "
        "Results, CVPR Workshops 2017",
    ),
    "set5": Card(
        NOT_STATED,
        "Bevilacqua et al., Low-Complexity Single-Image Super-Resolution based on Nonnegative "
        "Neighbor Embedding, BMVC 2012",
    ),
    "set14": Card(
        NOT_STATED,
        "Zeyde et al., On Single Image Scale-Up using Sparse-Representations, "
        "Curves and Surfaces 2010",
    ),
    "b100": Card(
        _BSDS,
        "Martin et al., A Database of Human Segmented Natural Images, ICCV 2001 (100 test images)",
    ),
    "urban100": Card(
        "not stated for all; images from Flickr under Creative Commons licences, says the paper",
        "Huang et al., Single Image Super-Resolution from Transformed Self-Exemplars, CVPR 2015",
    ),
    "manga109": Card(
        "for those who apply at manga109.org, under its terms; may not be passed on",
        "Matsui et al., Sketch-based Manga Retrieval using Manga109 Dataset, Multimedia Tools and "
        "Applications 2017",
    ),
    "kodak24": Card(
        "unrestricted usage, as r0k.us says",
        "Eastman Kodak Company, Kodak Lossless True Color Image Suite, r0k.us/graphics/kodak",
    ),
}
"""Every named data set but ``photos``, whose photographs say so one by one (``bundled``)."""

CARDS["df2k"] = Card(
    f"DIV2K: {CARDS['div2k'].licence}; Flickr2K: {CARDS['flickr2k'].licence}",
    f"{CARDS['div2k'].citation}; {CARDS['flickr2k'].citation}",
)
