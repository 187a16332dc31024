"""The protocols of the papers of this field, as far as their texts and code tell: one table.

Where a paper is silent, ``unknown`` says so, and says what is done here instead. Figures by these protocols
compare models with each other under one paper's conventions; they equal the paper's own figures only with
its photographs, masks and weights. docs/evaluating.md sets the conventions side by side.
"""

from twofold.evaluate.protocol import Protocol
from twofold.masks.buckets import RATIO_BUCKETS

_NVIDIA = RATIO_BUCKETS
"""The six ranges of hole ratios that the irregular masks of Liu et al. (2018) come in."""

PROTOCOLS: dict[str, Protocol] = {
    "own": Protocol(),
    "medfe2020": Protocol(
        name="medfe2020",
        crop="square",
        masks=("irregular",),
        ratios=_NVIDIA[1:],
        limit=500,
        metrics=("psnr", "ssim-gaussian11", "l1", "fid"),
        did="500 photographs chosen at random; 256x256; irregular masks of Liu et al. (2018); PSNR, SSIM, "
        "L1 and FID; composites are cut off, not rounded, to 8 bits.",
        unknown="which 500 photographs, which SSIM, whether L1 counts the hole alone, and how FID was "
        "computed are not published; here SSIM is Gaussian 11, L1 is over the crop, FID is against "
        "the same photographs, and irregular masks are generated unless a folder is given.",
    ),
    "dsi2021": Protocol(
        name="dsi2021",
        crop="square",
        masks=("centre",),
        ratios=(),
        limit=1000,
        metrics=("psnr", "ssim-uniform7", "is", "mis", "fid"),
        resize="tensorflow",
        did="1,000 photographs at 256x256; centre box of 128x128, or random masks (three boxes, or five "
        "strokes, united); PSNR over RGB; SSIM with scikit-image's defaults, printed as MS-SSIM; IS "
        "and MIS of 10 splits and FID with the Inception graph of 2015, against the same photographs.",
        unknown="how photographs are cut for the test, how many samples a figure takes, and how diversity "
        "was computed are not published; here the middle square, and the mean over the samples "
        "asked for.",
    ),
    "edgeconnect2019": Protocol(
        name="edgeconnect2019",
        crop="stretch",
        masks=("irregular",),
        ratios=_NVIDIA[:-1],
        metrics=("psnr-grey", "ssim-uniform51", "l1-relative", "fid"),
        did="256x256; PSNR and SSIM (uniform window of 51) of grey pictures; relative L1, the sum of the "
        "errors over the sum of both pictures, grey; FID with an early pytorch-fid.",
        unknown="how photographs were cut differs between their sets; here they are stretched. Their FID "
        "took torchvision's Inception weights, here those of 2015, so FIDs do not compare.",
    ),
    "put2022": Protocol(
        name="put2022",
        crop="stretch",
        masks=("irregular",),
        ratios=((0.2, 0.4), (0.4, 0.6), (0.1, 0.6)),
        metrics=("psnr-grey", "ssim-uniform51", "l1", "lpips-vgg", "fid", "diversity"),
        did="256x256; masks of Liu et al. of 20-40, 40-60 and 10-60 %; PSNR and SSIM (uniform window of "
        "51) of grey pictures, mean absolute error, LPIPS on VGG, FID, and LPIPS between answers as "
        "diversity.",
        unknown="which masks belong to which photograph is in lists of theirs; here they are drawn by "
        "seed. Their grey is OpenCV's, rounded to 8 bits, here Rec. 709, so PSNR and SSIM are near "
        "theirs, not equal.",
    ),
    "lama2022": Protocol(
        name="lama2022",
        size=512,
        crop="square",
        masks=("thin", "free-form", "boxes"),
        ratios=(),
        limit=30000,
        metrics=("ssim-gaussian11-zero", "lpips-vgg", "fid"),
        did="30,000 photographs of Places at 512x512, or CelebA-HQ at 256x256; narrow, medium and wide "
        "random masks; SSIM with a Gaussian window of 11 and borders padded with zeros, LPIPS on VGG, "
        "FID with pytorch-fid.",
        unknown="their masks were drawn without a fixed seed; here our own thin strokes, free-form strokes "
        "and boxes.",
    ),
    "mat2022": Protocol(
        name="mat2022",
        size=512,
        crop="square",
        masks=("free-form",),
        ratios=(),
        limit=36500,
        metrics=("psnr", "ssim-gaussian11", "l1", "lpips", "fid", "p-ids", "u-ids"),
        resize="tensorflow",
        did="36,500 photographs of Places at 512x512; random brush masks, small and large; PSNR over RGB, "
        "SSIM with a Gaussian window of 11 and without the border, mean absolute error, LPIPS on "
        "AlexNet, FID, P-IDS and U-IDS; white in their mask files is known.",
        unknown="here masks are our own free-form strokes; to use theirs, invert them: white is the hole.",
    ),
}
"""Protocols by the name that ``--protocol`` takes."""
