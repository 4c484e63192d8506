"""The {{name}} frontend: every line `say TEXT` becomes a line of a file in the image, `into PATH` says which."""

import lapstrake
from lapstrake import Graph, Lines, did_you_mean, make
from lapstrake.types import FrontendInfo


class Language(lapstrake.Frontend):
    def describe(self):
        return make(FrontendInfo, name="{{name}}", version="0.1.0", file_patterns=["*.{{name}}"])

    def build(self, host, request):
        graph = Graph()
        source = request.sources[0]
        lines = Lines(source.text, graph.source_file(source))

        # Read. Every mistake is reported with its place, not just the first.
        said, path, errors = [], "/hello.txt", []
        for number, line in enumerate(lines.lines, 1):
            word, _, value = line.partition(" ")
            if word == "say":
                said.append((value, lines.line(number)))
            elif word == "into":
                path = value
            elif word and not word.startswith("#"):
                meant = did_you_mean(word, ["say", "into"])
                help = f'did you mean "{meant}"?' if meant else None
                message = f'there is no word "{word}"'
                errors.append(lapstrake.error("UnknownWord", message, lines.line(number), help=help))
        if errors:
            raise lapstrake.invalid(errors, graph.source_files())

        # Build the graph: one file in an empty tree, made of all the lines.
        text = "".join(f"{value}\n" for value, _ in said)
        root = graph.scratch().file().write(path, text).done().name(f"say it in {path}")
        for _, range in said:
            root.range(range)
        images = []
        for platform in lapstrake.target_platforms(request):
            config = lapstrake.image_config(platform, cmd=["cat", path])
            images.append(lapstrake.built_image(root, config))
        return graph.finish(images)


Frontend = lapstrake.component(Language)
