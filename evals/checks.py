"""What stands in the checks of code.toml. Runs in a sandbox of its own, after the turn: `reply` is the model's last text,
`pictures` how many its programs showed, and the files of its session are in /mnt/data."""

import re


def holds(wanted):
    """Whether the reply has this: a number, as exact as it is given here, or a text, whatever its case."""
    if isinstance(wanted, str):
        return wanted.casefold() in reply.casefold()  # noqa: F821
    decimals = len(repr(wanted).partition(".")[2].rstrip("0"))
    # A whole number is meant as it is.
    nearly = 0.5 * 10**-decimals if decimals else 0
    # Commas between thousands; not those of lists.
    found = re.findall(r"-?\d+(?:,\d{3}(?!\d))*(?:\.\d+)?", reply)  # noqa: F821
    numbers = (float(number.replace(",", "")) for number in found)
    return any(abs(number - wanted) <= nearly + 1e-9 for number in numbers)


def text(name):
    """A file's text."""
    with open(f"/mnt/data/{name}", encoding="utf-8") as file:
        return file.read()


def table(name):
    """A CSV file's rows."""
    import csv
    import io

    return list(csv.DictReader(io.StringIO(text(name))))


def data(name):
    """What a JSON file holds."""
    import json

    return json.loads(text(name))


def is_picture(name, size=None, colour=None):
    """Whether the file is a picture with something in it; of this size and this colour where they are given."""
    from PIL import Image

    with Image.open(f"/mnt/data/{name}") as file:
        picture = file.convert("RGB")
    if size is not None and picture.size != size:
        return False
    # The least and the most of each of the three channels.
    extremes = picture.getextrema()
    if colour is not None:
        return extremes == tuple((part, part) for part in colour)
    return any(low < high for low, high in extremes)
