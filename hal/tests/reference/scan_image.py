"""Writes ../golden/scanimage.tif as ScanImage would: BigTIFF, signed 16 bits, page by page.

Needs: pip install tifffile numpy. Run it in this folder, once; its output is committed. The texts
have the form of the "ScanImage BigTiff Specification" (docs.scanimage.org); tifffile reads them
back here as ScanImage's.
"""

import pathlib

import numpy
import tifffile

PATH = pathlib.Path(__file__).parent.parent / "golden" / "scanimage.tif"
HEIGHT, WIDTH = 17, 23
CHANNELS = 3
NUMBERS = [1, 2, 5, 6]
SOFTWARE = "\n".join(
    [
        "SI.LINE_FORMAT_VERSION = 1",
        "SI.TIFF_FORMAT_VERSION = 4",
        "SI.VERSION_MAJOR = 2020",
        "SI.hChannels.channelName = {'Channel 1' 'Channel 2' 'Channel 3' 'Channel 4'}",
        "SI.hChannels.channelSave = [1;2;3]",
        "SI.hRoiManager.imagingFovUm = [-2.875 -2.125;2.875 -2.125;2.875 2.125;-2.875 2.125]",
        "SI.hRoiManager.linePeriod = 6.30874e-05",
        "SI.hRoiManager.mroiEnable = false",
        "SI.hScan2D.logAverageFactor = 1",
    ]
)

with tifffile.TiffWriter(PATH, bigtiff=True, byteorder="<") as tif:
    for frame, number in enumerate(NUMBERS):
        for channel in range(1, CHANNELS + 1):
            image = numpy.full((HEIGHT, WIDTH), 1000 * channel - 100 * frame, "<i2")
            description = "\n".join(
                [
                    f"frameNumbers = {number}",
                    "acquisitionNumbers = 1",
                    f"frameNumberAcquisition = {number}",
                    f"frameTimestamps_sec = {0.0333 * (number - 1):.9f}",
                    "acqTriggerTimestamps_sec = -0.000021560",
                    "nextFileMarkerTimestamps_sec = -1.000000000",
                    f"endOfAcquisition = {int(frame + 1 == len(NUMBERS))}",
                    "endOfAcquisitionMode = 0",
                    "epoch = [2024  5 14 15  3 38.682]",
                    "I2CData = {}",
                ]
            )
            tif.write(
                image,
                description=description,
                software=SOFTWARE,
                metadata=None,
                photometric="minisblack",
            )

with tifffile.TiffFile(PATH) as tif:
    assert tif.is_scanimage and tif.is_bigtiff
    assert len(tif.pages) == CHANNELS * len(NUMBERS)
