"""Values as conversations have them, of the training split or held out."""

import hashlib
import random

from words import CITIES_EN, CITIES_ZH, FIRST_EN, FIRST_ZH, LAST_EN, LAST_ZH, THINGS_ZH, WEATHERS, WORDS

PREFIXES = "A B C D E F G H K L M N P R S T U V W X AB CX DT KP MB NT PR ST TX XL".split()
HELD = {"10111", "12412"}


def is_held_out(text):
    """One string in eight, whatever the seed."""
    return text in HELD or hashlib.sha256(text.encode()).digest()[0] % 8 == 0


class Draw:
    """Draws values of one split."""

    def __init__(self, split, seed):
        self.held_out = split == "test"
        self.random = random.Random(f"{split}-{seed}")
        self.zh = False

    def chance(self, share):
        return self.random.random() < share

    def pick(self, items):
        return self.random.choice(items)

    def say(self, zh, en):
        """The text of the conversation's language."""
        return zh if self.zh else en

    def own(self, make):
        """A string of this split: `make` is asked until it gives one."""
        while True:
            text = make()
            if is_held_out(text) == self.held_out:
                return text

    def digits(self, low=3, high=6):
        def make():
            count = self.random.randint(low, high)
            if self.chance(0.4):
                # Repeated digits must be copied by place.
                few = self.random.sample("0123456789", 2)
                return self.pick("123456789") + "".join(self.pick(few) for _ in range(count - 1))
            return self.pick("123456789") + "".join(self.pick("0123456789") for _ in range(count - 1))

        return self.own(make)

    def value(self, look):
        """A value that looks so, in the conversation's language where that is seen."""
        r = self.random
        if look == "digits":
            return self.digits()
        if look == "number":
            return int(self.digits(3, 5))
        if look == "small":
            return int(self.own(lambda: str(r.randint(1, 99))))
        if look == "tiny":
            return int(self.own(lambda: str(r.randint(2, 30))))
        if look == "year":
            return int(self.own(lambda: str(r.randint(1950, 2030))))
        if look == "decimal":
            return float(self.own(lambda: f"{r.randint(0, 99)}.{r.randint(1, 9)}"))
        if look == "bool":
            return self.chance(0.5)
        if look == "date":
            return self.own(lambda: f"{r.randint(2000, 2029)}-{r.randint(1, 12):02}-{r.randint(1, 28):02}")
        if look == "time":
            return self.own(lambda: f"{r.randint(0, 23):02}:{r.randint(0, 59):02}")
        if look == "code":
            return self.own(lambda: self.pick(PREFIXES) + self.pick(["", "-"]) + str(r.randint(10, 9999)))
        if look == "path":
            return self.own(
                lambda: (
                    self.pick(["", "/tmp/", "data/"])
                    + self.pick(WORDS)
                    + self.pick(["_", "-", "/"])
                    + self.pick(WORDS)
                    + self.pick([".txt", ".csv", ".json"])
                )
            )
        if look == "weather":
            return self.pick(WEATHERS[5:] if self.zh else WEATHERS[:5])
        if look == "city" or (look == "place" and not self.held_out and self.chance(0.5)):
            return self.pick(CITIES_ZH if self.zh else CITIES_EN)
        if look == "place":
            return self.own(
                lambda: (
                    self.pick(CITIES_ZH) + self.pick(THINGS_ZH)
                    if self.zh
                    else f"{self.pick(CITIES_EN)} {self.pick(WORDS)}"
                )
            )
        if look == "person":
            return self.own(
                lambda: (
                    self.pick(FIRST_ZH) + self.pick(LAST_ZH)
                    if self.zh
                    else f"{self.pick(FIRST_EN)} {self.pick(LAST_EN)}"
                )
            )
        if self.zh and self.chance(0.7):
            return self.own(lambda: self.pick(THINGS_ZH) + self.pick(THINGS_ZH))
        return self.own(lambda: " ".join(self.pick(WORDS) for _ in range(r.choice((1, 2, 2, 3)))))
