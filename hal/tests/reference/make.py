"""Writes the TIFF variants of ../golden with tifffile, and what they hold as ../golden/expected.json.

Needs: pip install tifffile numpy imagecodecs. Run it in this folder, once; its output is committed, so that
the tests need no Python. tifffile reads every file back here, independently of the program under test.

With a folder of public recordings as argument, ../golden/shared.json is written too: what tifffile reads
of them (sizes and checksums, not samples).
"""

import json
import pathlib
import sys
import zlib

import numpy
import tifffile

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE.parent / "golden"
HEIGHT, WIDTH = 17, 23
NAMES = ["SRS", "TPEF", "TRANS"]
rng = numpy.random.default_rng(20)


def noise(dtype, *shape):
    shape = (*shape, HEIGHT, WIDTH)
    if numpy.dtype(dtype).kind == "f":
        return rng.normal(3, 40, shape).astype(dtype)
    info = numpy.iinfo(dtype)
    # Smooth enough that predictors and LZW have something to do.
    steps = rng.integers(0, 9, shape).cumsum(axis=-1)
    base = rng.integers(info.min, info.max - 300 if info.max > 400 else 1, shape[:-1])[..., None]
    return numpy.clip(base + steps, info.min, info.max).astype(dtype)


def counts(stack):
    """Frames x channels x rows x columns of counts, with scale and offset a channel."""
    out = numpy.empty(stack.shape, "<u2")
    rules = []
    for channel in range(stack.shape[1]):
        values = stack[:, channel]
        kind, bits = values.dtype.kind, values.dtype.itemsize * 8
        if kind == "u" and bits <= 16:
            scale, offset = 1.0, 0.0
        elif kind == "i" and bits <= 16:
            scale, offset = 1.0, -float(1 << (bits - 1))
        else:
            low, high = float(values.min()), float(values.max())
            scale, offset = (high - low) / 65534.0, low
        scaled = (values.astype("f8") - offset) / scale
        # Halves away from zero, as the rounding of most languages does.
        out[:, channel] = numpy.floor(scaled + 0.5)
        rules.append([scale, offset])
    return out, rules


def entry(name, stack, *, names, um=None, bits=None, maps=(), paths=None):
    data, rules = counts(stack)
    itemsize = stack.dtype.itemsize * 8
    return {
        "name": name,
        "paths": paths or [name],
        "maps": list(maps),
        "width": stack.shape[-1],
        "height": stack.shape[-2],
        "pixel_um": um,
        "names": names,
        "bits": bits or min(16, itemsize),
        "rules": rules,
        "frames": [[zlib.crc32(p.tobytes()) for p in frame] for frame in data],
    }


def back(name, **kwargs):
    """What tifffile reads of a file, as pages."""
    with tifffile.TiffFile(GOLDEN / name, **kwargs) as tif:
        return numpy.stack([page.asarray() for page in tif.pages])


def plain():
    out = []
    for dtype in ["u1", "u2", "i1", "i2", "f4", "f8", "u4"]:
        for order in "<>":
            for big in [False, True]:
                name = f"plain-{dtype}-{'le' if order == '<' else 'be'}{'-big' if big else ''}.tif"
                if big and dtype in ("i1", "i2", "f8", "u4"):
                    continue
                data = noise(dtype, 2)
                tifffile.imwrite(
                    GOLDEN / name, data, byteorder=order, bigtiff=big, rowsperstrip=5,
                    photometric="minisblack", metadata=None,
                )
                assert (back(name) == data).all()
                out.append(entry(name, data[:, None], names=["C0"]))
    for dtype in ["u1", "u2", "f4"]:
        for compression in ["lzw", "zlib", "packbits"]:
            for tiled in [False, True]:
                for order in "<>":
                    predictor = compression != "packbits"
                    if order == ">" and (tiled or compression == "packbits"):
                        continue
                    end = "be" if order == ">" else "le"
                    name = f"packed-{dtype}-{compression}-{'tiles' if tiled else 'strips'}-{end}.tif"
                    data = noise(dtype, 1)
                    shape = {"tile": (16, 16)} if tiled else {"rowsperstrip": 7}
                    tifffile.imwrite(
                        GOLDEN / name, data, compression=compression, predictor=predictor, byteorder=order,
                        photometric="minisblack", metadata=None, **shape,
                    )
                    assert (back(name) == data).all()
                    out.append(entry(name, data[:, None], names=["C0"]))
    for config in ["contig", "separate"]:
        for tiled in [False, True]:
            name = f"samples-{config}-{'tiles' if tiled else 'strips'}.tif"
            data = noise("u2", 3)
            shape = {"tile": (16, 16)} if tiled else {"rowsperstrip": 4}
            stored = data if config == "separate" else numpy.moveaxis(data, 0, -1)
            tifffile.imwrite(
                GOLDEN / name, stored, photometric="rgb", planarconfig=config, compression="zlib",
                metadata=None, **shape,
            )
            read = back(name)[0]
            assert ((read if config == "separate" else numpy.moveaxis(read, -1, 0)) == data).all()
            maps = [f"{n}=#{i}" for i, n in enumerate(NAMES)]
            out.append(entry(name, data[None], names=NAMES, maps=maps))
    data = noise("u1", 1)
    tifffile.imwrite(GOLDEN / "white-is-zero.tif", data, photometric="miniswhite", metadata=None)
    out.append(entry("white-is-zero.tif", data[:, None], names=["C0"]))
    data = noise("u2", 3)
    tifffile.imwrite(GOLDEN / "pages.tif", data, photometric="minisblack", metadata=None)
    maps = [f"{n}=#{i}" for i, n in enumerate(NAMES)]
    out.append(entry("pages.tif", data[None], names=NAMES, maps=maps))
    return out


def imagej():
    out = []
    for name, order, extra in [
        ("imagej-hyperstack.tif", ">", {}), ("imagej-le.tif", "<", {}),
        ("imagej-one-directory.tif", ">", {"truncate": True}),
    ]:
        data = noise("u2", 2, 3)
        tifffile.imwrite(
            GOLDEN / name, data, imagej=True, byteorder=order, resolution=(1 / 0.2, 1 / 0.2),
            metadata={"axes": "TCYX", "unit": "um"}, **extra,
        )
        read = tifffile.imread(GOLDEN / name)
        assert (read == data).all()
        maps = [f"{n}=#{i}" for i, n in enumerate(NAMES)]
        out.append(entry(name, data, names=NAMES, um=0.2, maps=maps))
    data = noise("f4", 4)
    tifffile.imwrite(
        GOLDEN / "imagej-f4.tif", data, imagej=True, resolution=(4, 4), truncate=True,
        metadata={"axes": "ZYX", "unit": "micron"},
    )
    out.append(entry("imagej-f4.tif", data[:, None], names=["C0"], um=0.25))
    return out


def ome():
    out = []
    for name, dtype, axes, shape, extra in [
        ("ome-channels.ome.tif", "u2", "CYX", (3,), {}),
        ("ome-tczyx.ome.tif", "u2", "TCZYX", (2, 3, 2), {}),
        ("ome-tzcyx-be.ome.tif", "u2", "TZCYX", (2, 2, 3), {"byteorder": ">"}),
        ("ome-big-tiles.ome.tif", "u2", "CYX", (3,), {"bigtiff": True, "tile": (16, 16), "compression": "lzw"}),
        ("ome-f4-deflate.ome.tif", "f4", "TCYX", (2, 3), {"compression": "zlib"}),
        ("ome-u1.ome.tif", "u1", "CYX", (3,), {}),
    ]:
        data = noise(dtype, *shape)
        tifffile.imwrite(
            GOLDEN / name, data, ome=True, photometric="minisblack",
            metadata={
                "axes": axes, "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.25,
                "PhysicalSizeYUnit": "\u00b5m", "Channel": {"Name": NAMES},
                **({"SignificantBits": 12} if name == "ome-channels.ome.tif" else {}),
            },
            **extra,
        )
        assert (tifffile.imread(GOLDEN / name) == data).all()
        order = [axes.index(a) for a in "TZC" if a in axes]
        frames = data.transpose(*order, data.ndim - 2, data.ndim - 1).reshape(-1, 3, HEIGHT, WIDTH)
        out.append(entry(name, frames, names=NAMES, um=0.25, bits=12 if "channels" in name else None))
    # One file a channel, each telling of all.
    data = noise("u2", 3, 2)
    uuids = [f"urn:uuid:00000000-0000-4000-8000-00000000000{i}" for i in range(3)]
    files = [f"set-{n}.ome.tif" for n in NAMES]
    for i, file in enumerate(files):
        planes = "".join(
            f'<TiffData FirstC="{c}" FirstT="{t}" FirstZ="0" IFD="{t}" PlaneCount="1">'
            f'<UUID FileName="{files[c]}">{uuids[c]}</UUID></TiffData>'
            for c in range(3) for t in range(2)
        )
        channels = "".join(f'<Channel ID="Channel:0:{c}" Name="{n}" SamplesPerPixel="1"/>' for c, n in enumerate(NAMES))
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuids[i]}"><Image ID="Image:0">'
            '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="23" SizeY="17" SizeZ="1" SizeC="3" '
            f'SizeT="2" PhysicalSizeX="0.25">{channels}{planes}</Pixels></Image></OME>'
        )
        tifffile.imwrite(GOLDEN / file, data[i], description=xml, metadata=None, photometric="minisblack")
    assert (tifffile.imread(GOLDEN / files[0]) == data.transpose(1, 0, 2, 3)).all()
    frames = data.transpose(1, 0, 2, 3)
    for paths in [[files[0]], [files[2]], files]:
        out.append(entry("set", frames, names=NAMES, um=0.25, paths=paths))
    return out


def micro_manager():
    data = noise("u2", 2, 3)
    data &= 0xFFF
    name = "micro-manager.tif"
    with tifffile.TiffWriter(GOLDEN / name) as tif:
        # Time is written backwards: only the axes say the order.
        for t in [1, 0]:
            for c in range(3):
                told = {"Axes": {"channel": NAMES[c], "time": t}, "PixelSizeUm": 0.3, "BitDepth": 12}
                tags = [(51123, "s", 0, json.dumps(told), True)]
                tif.write(data[t, c], extratags=tags, metadata=None, contiguous=False, photometric="minisblack")
    return [entry(name, data, names=NAMES, um=0.3, bits=12)]


def shared(root):
    """Public recordings: pages as tifffile reads them, arranged here by hand."""
    def pages(*parts):
        with tifffile.TiffFile(root.joinpath(*parts)) as tif:
            return numpy.stack([page.asarray() for page in tif.pages])

    def one(path, stack, **kwargs):
        return entry(path, stack, paths=[path], **kwargs)

    out = []
    stack = pages("formats", "imagej_5x512x512_u16_be.tif")
    out.append(one("formats/imagej_5x512x512_u16_be.tif", stack[:, None], names=["C0"]))
    stack = pages("formats", "micromanager_ndtiff_12bit.tif")
    out.append(one("formats/micromanager_ndtiff_12bit.tif", stack.reshape(4, 2, 64, 64), names=["DAPI", "FITC"], um=1.0, bits=12))
    stack = pages("formats", "multi-channel.ome.tif")
    out.append(one("formats/multi-channel.ome.tif", stack[None], names=["C0", "C1", "C2"]))
    stack = numpy.stack([pages("formats", f"multifile-Z{z}.ome.tiff")[0] for z in range(1, 6)])
    for path in ["multifile.companion.ome", "multifile-Z3.ome.tiff"]:
        out.append(one(f"formats/{path}", stack[:, None], names=["C0"]))
    for n, um in [(1, 1 / 3.016988), (3, 1 / 2.011324)]:
        path = f"data/srs/hyperspectral_background_{n}.tif"
        out.append(one(path, pages(path)[:, None], names=["C0"], um=um))
    images = [pages("data", "bpae_two_photon", f"BPAE_{n}.tif") for n in "GIS"]
    maps = [f"{n}={{shared}}/data/bpae_two_photon/BPAE_{c}.tif" for n, c in zip(NAMES, "GIS")]
    # The field is one plane of three channels.
    stack = numpy.concatenate(images)[None]
    out.append(entry("bpae", stack, names=NAMES, maps=maps, paths=["-"]))
    for phase, n in [("G1", "0008"), ("G2", "0008"), ("Prophase", "0001"), ("S_phase", "0009")]:
        images = [pages("data", "mlcp", phase, f"Ch{c}_CP{n}.tif") for c in (3, 4, 6)]
        maps = [f"{m}={{shared}}/data/mlcp/{phase}/Ch{c}_CP{n}.tif" for m, c in zip(NAMES, (3, 4, 6))]
        stack = numpy.stack(images, axis=1)
        out.append(entry(phase, stack, names=NAMES, maps=maps, paths=["-"]))
    return out


def main():
    GOLDEN.mkdir(exist_ok=True)
    entries = plain() + imagej() + ome() + micro_manager()
    (GOLDEN / "expected.json").write_text(json.dumps(entries, indent=1) + "\n")
    if len(sys.argv) > 1:
        entries = shared(pathlib.Path(sys.argv[1]))
        (GOLDEN / "shared.json").write_text(json.dumps(entries, indent=1) + "\n")


main()
