"""The text: words, flags, variables and their places. Knows nothing of what instructions do."""

from dataclasses import dataclass

from lapstrake import build_arg, error
from lapstrake.types import SourceRange

SPACE = " \t"


def split(text):
    """The first word and what follows."""
    place = next((place for place, c in enumerate(text) if c in SPACE), len(text))
    return text[:place], text[place + 1 :].strip(SPACE)


@dataclass
class Line:
    """One instruction: its first word, what follows with variables replaced, and the whole of it as it stands there."""

    word: str
    rest: str
    text: str
    range: SourceRange
    word_range: SourceRange

    def flags(self):
        """The flags before the first word that is none, as names and values, and the rest."""
        flags, rest = [], self.rest
        while rest.startswith("--"):
            flag, rest = split(rest[2:])
            name, _, value = flag.partition("=")
            flags.append((name, value))
        return flags, rest


def read(lines, request):
    """Reads all lines; a variable that is not there is an error."""
    out, errors, variables = [], [], {}
    for number, raw in enumerate(lines.lines, 1):
        text = raw.strip(SPACE)
        if not text or text.startswith("#"):
            continue
        start = len(raw) - len(raw.lstrip(SPACE))
        range = lines.part(number, start, start + len(text))
        word, rest = split(text)
        if word != "run":
            rest = replace(rest, variables, range, errors)
        if word == "arg":
            name, _, default = rest.partition("=")
            value = build_arg(request, name)
            variables[name] = default if value is None else value
        out.append(Line(word, rest, text, range, lines.part(number, start, start + len(word))))
    return out, errors


def replace(text, variables, range, errors):
    """Replaces every `${NAME}`."""
    out = ""
    while "${" in text:
        before, _, after = text.partition("${")
        if "}" not in after:
            break
        name, _, text = after.partition("}")
        out += before
        if name in variables:
            out += variables[name]
        else:
            help = f"a line before can say: arg {name}="
            errors.append(error("UnknownVariable", f"there is no variable {name}", range, help=help))
    return out + text
