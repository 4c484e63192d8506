"""A build language of lines, as STEPS.md in the folder above describes it. Here: from a request to a result."""

import lapstrake
from lapstrake import Graph, Lines, invalid, make, unknown_target
from lapstrake.types import ArgInfo, FrontendInfo, OptionInfo, Outline, TargetInfo

from lines import read
from stages import Builder


class Steps(lapstrake.Frontend):
    def describe(self):
        return make(
            FrontendInfo,
            name="steps",
            version="0.1.0",
            file_patterns=["*.steps"],
            options=[OptionInfo("cmdline", "shell=PATH: the shell of run", "shell=/bin/sh")],
        )

    def build(self, host, request):
        graph = Graph()
        lines, errors = open_file(graph, request)
        warnings, images = [], []
        for platform in lapstrake.target_platforms(request):
            builder = Builder(graph, host, request, platform)
            for line in lines:
                builder.line(line)
            stages = builder.finish()
            # What is said of the file is the same for every platform.
            if not images:
                errors += builder.errors
                warnings = builder.warnings
            if errors:
                raise invalid(errors, graph.source_files())
            if request.target is None:
                stage = stages[-1]
            else:
                stage = next((stage for stage in stages if stage.name == request.target), None)
            if stage is None:
                raise unknown_target(request.target)
            images.append(lapstrake.built_image(stage.state, stage.config))
        return graph.finish(images, warnings)

    def outline(self, host, request):
        graph = Graph()
        lines, _ = open_file(graph, request)
        args = []
        for line in lines:
            if line.word == "arg":
                name, _, value = line.rest.partition("=")
                args.append(make(ArgInfo, name=name, default_value=value, range=line.range))
        target = make(TargetInfo, name=request.target or "main")
        return make(Outline, target=target, args=args, sources=graph.source_files())


def open_file(graph, request):
    """The lines of the build file, and what is wrong with variables in them."""
    source = request.sources[0]
    return read(Lines(source.text, graph.source_file(source)), request)


Frontend = lapstrake.component(Steps)
