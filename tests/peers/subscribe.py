"""Prints every label of a senescope daemon and the peak of its map. Needs pyzmq, cbor2 and numpy."""
import sys, cbor2, numpy, zmq

socket = zmq.Context().socket(zmq.SUB)
for endpoint in sys.argv[1:] or ("tcp://127.0.0.1:5556", "tcp://127.0.0.1:5557"):  # labels, maps
    socket.connect(endpoint)
for kind in "run", "label", "cam":
    socket.subscribe(f"v1/{kind}/")
while True:
    topic, header, *payload = socket.recv_multipart()
    h = cbor2.loads(header)
    if h["type"] == "run" and h["phase"] == "start":
        print("run", h["run"], "classes", h["classes"], h["pixel_size_um"], "µm a pixel")
    elif h["type"] == "label":
        print("label", h["seq"], "frame", h["frame"], "cell", h["cell"], h["label"], f"p = {h['p'][1]:.3f}")
    elif h["type"] == "cam":
        cam = numpy.frombuffer(payload[0], h["dtype"]).reshape(h["shape"])
        print("map of label", h["label_seq"], cam.shape, "peak at", divmod(int(cam.argmax()), cam.shape[1]))
    else:
        print("run", h["run"], h["finish"], {kind: total["sent"] for kind, total in h["totals"].items()})
