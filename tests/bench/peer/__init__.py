"""What a careful user would write in Python instead of the daemon: the peer of the bench.

One process, one thread, whole frames, and the libraries that are used for it: tifffile,
scikit-image, ONNX Runtime or OpenVINO, NumPy, pyzmq. The contract that it shares with the daemon
is the ensemble's manifest and what the daemon's documentation says of tiles and maps.

Left out, to the peer's advantage: the distance from the training set, what is wrong with a cell's
image, looking only at rows that have been scanned, and everything that makes a service.
"""
