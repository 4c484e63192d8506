"""From places in a text to lines and columns, and from a wrong word to the one that was meant."""

from .types import Position, SourceRange


class Lines:
    """Where the lines of a source are. Lines and columns count from 1, columns in UTF-8 bytes."""

    def __init__(self, text, file=0):
        self.text = text
        self.file = file
        self.lines = [line.removesuffix("\r") for line in text.split("\n")]

    def line(self, number):
        """A whole line, without its end."""
        return self.part(number, 0, len(self.lines[number - 1]))

    def part(self, number, start, stop):
        """Characters `start` to `stop` of a line, counted from 0."""
        line = self.lines[number - 1]
        before = len(line[:start].encode())
        width = len(line[start:stop].encode())
        return SourceRange(self.file, Position(number, before + 1), Position(number, before + width + 1))


def did_you_mean(word, candidates):
    """The candidate that was probably meant; None: nothing is near.

    Near is an edit distance (insert, delete, replace, swap neighbours) of at most a third of the word's length, rounded
    up. Letters of another case are equal; among equally near ones the first wins.

    >>> did_you_mean("FORM", ["COPY", "FROM"])
    'FROM'
    """
    word = _lower(word)
    if not word or len(word) > 64:
        return None
    best = None
    for candidate in candidates:
        other = _lower(candidate)
        limit = min((len(word) + 2) // 3, max(len(word), len(other)) - 1)
        if abs(len(word) - len(other)) > limit:
            continue
        distance = _distance(word, other)
        if distance <= limit and (best is None or distance < best[0]):
            best = (distance, candidate)
    return best and best[1]


def _lower(text):
    return "".join(c.lower() if c.isascii() else c for c in text)


def _distance(a, b):
    """Optimal string alignment."""
    before_last, last = [0] * (len(b) + 1), list(range(len(b) + 1))
    for i in range(1, len(a) + 1):
        row = [i] * (len(b) + 1)
        for j in range(1, len(b) + 1):
            row[j] = min(last[j - 1] + (a[i - 1] != b[j - 1]), last[j] + 1, row[j - 1] + 1)
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                row[j] = min(row[j], before_last[j - 2] + 1)
        before_last, last = last, row
    return last[len(b)]
