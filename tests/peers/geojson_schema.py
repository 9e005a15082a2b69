"""What a file of `senescope export --format geojson` must be, as a JSON schema.

The geometry is that of RFC 7946 (GeoJSON): sections 3.1.6 (a ring has four or more positions),
3.1.7, 3.2 and 3.3. The properties are those that QuPath reads since 0.4 (`PathObjectTypeAdapters`).
That rings are closed, simple and counterclockwise no schema can say.
"""

POSITION = {
    "type": "array",
    "items": {"type": "number", "minimum": 0},
    "minItems": 2,
    "maxItems": 2,
}
RING = {"type": "array", "items": POSITION, "minItems": 4}
POLYGON = {"type": "array", "items": RING, "minItems": 1}


def geometry(kind: str, coordinates: dict) -> dict:
    """Return the schema of one type of geometry."""
    return {
        "type": "object",
        "properties": {"type": {"const": kind}, "coordinates": coordinates},
        "required": ["type", "coordinates"],
        # A foreign member of a geometry is how QuPath tells planes.
        "additionalProperties": False,
    }


PROPERTIES = {
    "type": "object",
    "properties": {
        "objectType": {"const": "cell"},
        "name": {"type": "string"},
        "classification": {
            "type": "object",
            "properties": {
                "name": {"enum": ["Senescent", "Proliferating", "Uncertain", "Atypical"]},
                "color": {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0, "maximum": 255},
                    "minItems": 3,
                    "maxItems": 3,
                },
            },
            "required": ["name", "color"],
            "additionalProperties": False,
        },
        "measurements": {"type": "object", "additionalProperties": {"type": "number"}},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["objectType", "classification", "measurements"],
    "additionalProperties": False,
}

FEATURE = {
    "type": "object",
    "properties": {
        "type": {"const": "Feature"},
        "id": {"type": "string", "format": "uuid"},
        "geometry": {
            "oneOf": [
                geometry("Polygon", POLYGON),
                geometry("MultiPolygon", {"type": "array", "items": POLYGON, "minItems": 1}),
            ]
        },
        "properties": PROPERTIES,
    },
    "required": ["type", "id", "geometry", "properties"],
    "additionalProperties": False,
}

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {"type": "array", "items": FEATURE},
        # A foreign member (RFC 7946, section 6.1).
        "senescope": {"type": "object", "required": ["run", "frame", "pixel_size_um"]},
    },
    "required": ["type", "features", "senescope"],
    "additionalProperties": False,
}
