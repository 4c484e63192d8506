"""What each instruction does to the graph and the image. Knows nothing of text."""

import copy
from dataclasses import dataclass

from lapstrake import BuildFailed, State, did_you_mean, error, image_config, option, set_env, set_label, warning
from lapstrake.types import ImageConfig, NetworkMode, SourceRange

from lines import split

# The instructions, and how many words each needs.
INSTRUCTIONS = {
    "arg": 1,
    "stage": 1,
    "from": 1,
    "env": 1,
    "dir": 1,
    "user": 1,
    "run": 1,
    "copy": 2,
    "write": 2,
    "mkdir": 1,
    "remove": 1,
    "link": 2,
    "merge": 1,
    "diff": 2,
    "cmd": 1,
    "label": 1,
}
FLAGS = {"run": ("cache", "mount", "secret", "network"), "copy": ("from",)}
NETWORKS = {"none": NetworkMode.NO_NETWORK, "host": NetworkMode.HOST_NETWORK}


class Problem(Exception):
    """A line that cannot be done; the diagnostic says why."""


@dataclass
class Stage:
    """A named part of the build file."""

    name: str
    state: State
    config: ImageConfig
    range: SourceRange | None


class Builder:
    """Goes through the lines for one platform."""

    def __init__(self, graph, host, request, platform):
        self.graph, self.host, self.platform = graph, host, platform
        self.shell = "/bin/sh"
        for word in (option(request, "cmdline") or "").split(" "):
            if word.startswith("shell="):
                self.shell = word.removeprefix("shell=")
        self.stages = []
        self.now = self.new_stage("main", None)
        self.errors = []
        self.warnings = []

    def finish(self):
        """Ends the last stage."""
        return [*self.stages, self.now]

    def line(self, line):
        """Does what a line says, or notes why not."""
        try:
            self.checked(line)
        except Problem as problem:
            self.errors.append(problem.args[0])

    def checked(self, line):
        if line.word not in INSTRUCTIONS:
            meant = did_you_mean(line.word, INSTRUCTIONS)
            help = f"did you mean {meant}?" if meant else None
            message = f"there is no instruction {line.word}"
            raise Problem(error("UnknownInstruction", message, line.word_range, help=help))
        flags, rest = line.flags()
        words = [word for word in rest.replace("\t", " ").split(" ") if word]
        needed = INSTRUCTIONS[line.word]
        if len(words) < needed:
            message = f"{line.word} needs {needed} words, not {len(words)}"
            raise Problem(error("MissingArgument", message, line.range))
        for flag, _ in flags:
            if flag not in FLAGS.get(line.word, ()):
                raise Problem(error("UnknownFlag", f"{line.word} has no flag --{flag}", line.range))
        changed = getattr(self, "do_" + line.word)(line, flags, rest, words)
        if changed:
            self.now.state = changed.name(line.text).range(line.range)

    def do_arg(self, line, flags, rest, words):
        pass

    def do_stage(self, line, flags, rest, words):
        for stage in self.finish():
            if stage.name == words[0]:
                related = [("the first one is here", stage.range)] if stage.range else []
                message = f"there are two stages {stage.name}"
                raise Problem(error("DuplicateStage", message, line.range, related=related))
        self.stages.append(self.now)
        self.now = self.new_stage(words[0], line.range)

    def do_from(self, line, flags, rest, words):
        reference = words[0]
        if reference == "scratch":
            self.now.state = self.graph.scratch().platform(self.platform)
            return
        stage = next((stage for stage in self.stages if stage.name == reference), None)
        if stage:
            self.now.state, self.now.config = stage.state, copy.deepcopy(stage.config)
            return
        name = reference.split("/")[-1]
        if ":" not in name and "@" not in name:
            message = f"{reference} names no version of the image"
            help = f"say {reference}:VERSION"
            self.warnings.append(warning("NoTag", message, line.range, help=help))
        try:
            image = self.host.resolve_image_config(reference, self.platform)
        except BuildFailed as failed:
            raise Problem(error("NoImage", failed.error.value, line.range)) from failed
        state = self.graph.image(image.reference, self.platform).name(line.text).range(line.range)
        for pair in image.config.env:
            state = state.env(pair.key, pair.value)
        self.now.state, self.now.config = state, image.config

    def do_env(self, line, flags, rest, words):
        name, _, value = rest.partition("=")
        set_env(self.now.config, name, value)
        self.now.state = self.now.state.env(name, value)

    def do_dir(self, line, flags, rest, words):
        self.now.state = self.now.state.dir(words[0])
        self.now.config.working_dir = self.now.state.directory

    def do_user(self, line, flags, rest, words):
        self.now.config.user = words[0]
        self.now.state = self.now.state.user(words[0])

    def do_cmd(self, line, flags, rest, words):
        self.now.config.cmd = words

    def do_label(self, line, flags, rest, words):
        name, _, value = rest.partition("=")
        set_label(self.now.config, name, value)

    def do_run(self, line, flags, rest, words):
        run = self.now.state.run(self.shell, "-c", rest)
        for flag, value in flags:
            name, colon, path = value.partition(":")
            path = path if colon else "/"
            if flag == "cache":
                run.cache(path, name)
            elif flag == "secret":
                run.secret(path, name)
            elif flag == "mount":
                run.mount(path, self.find(name, line), readonly=True)
            else:
                run.network(NETWORKS.get(value, NetworkMode.SANDBOX))
        return run.root()

    def do_copy(self, line, flags, rest, words):
        if flags:
            tree = self.find(flags[-1][1], line)
        else:
            tree = self.graph.local().name("load the context")
        return self.now.state.file().copy(tree, words[0], words[1]).done()

    def do_write(self, line, flags, rest, words):
        return self.now.state.file().write(words[0], split(rest)[1] + "\n").done()

    def do_mkdir(self, line, flags, rest, words):
        return self.now.state.file().mkdir(words[0]).done()

    def do_remove(self, line, flags, rest, words):
        return self.now.state.file().rm(words[0]).done()

    def do_link(self, line, flags, rest, words):
        return self.now.state.file().symlink(words[1], words[0]).done()

    def do_merge(self, line, flags, rest, words):
        found = []
        for name in words:
            try:
                found.append(self.find(name, line))
            except Problem as problem:
                self.errors.append(problem.args[0])
        return self.graph.merge([self.now.state, *found])

    def do_diff(self, line, flags, rest, words):
        found = []
        for name in words[:2]:
            try:
                found.append(self.find(name, line))
            except Problem as problem:
                self.errors.append(problem.args[0])
        return self.graph.diff(*found) if len(found) == 2 else None

    def find(self, name, line):
        for stage in self.stages:
            if stage.name == name:
                return stage.state
        meant = did_you_mean(name, [stage.name for stage in self.stages])
        help = f"did you mean {meant}?" if meant else None
        raise Problem(error("UnknownStage", f"there is no stage {name} above", line.range, help=help))

    def new_stage(self, name, range):
        return Stage(name, self.graph.scratch().platform(self.platform), image_config(self.platform), range)
