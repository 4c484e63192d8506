"""What a frontend implements, and what makes the exports of a component of it. Knows nothing of any build language."""

import traceback

from .types import *  # noqa: F403
from .types import Err, Report, get_pair, imports, make, set_pair


class BuildFailed(Exception):
    """The build cannot be done; `error` is one of the contract's build errors."""

    def __init__(self, error):
        super().__init__(error)
        self.error = error


def invalid(items, sources):
    """The source is wrong; the diagnostics say where."""
    return BuildFailed(BuildError_Invalid(Report(list(items), list(sources))))


def unsupported(what):
    """The frontend does not support `what`, such as "outlines"."""
    return BuildFailed(BuildError_Unsupported(what))


def unknown_target(name):
    """The build file has no such target."""
    return BuildFailed(BuildError_UnknownTarget(name))


def host_failed(message):
    """A call to the host failed."""
    return BuildFailed(BuildError_HostFailed(message))


def diagnostic(severity, code, message, *ranges, help=None, url=None, related=()):
    """Makes a diagnostic of any severity; `code` is a stable name such as "UnknownInstruction"."""
    related = [Related(text, range) for text, range in related]
    return Diagnostic(severity, code, message, help, url, list(ranges), related)


def error(code, message, *ranges, **more):
    """Makes an error."""
    return diagnostic(Severity.ERROR, code, message, *ranges, **more)


def warning(code, message, *ranges, **more):
    """Makes a warning."""
    return diagnostic(Severity.WARNING, code, message, *ranges, **more)


def image_config(platform, **fields):
    """Makes a configuration for a platform."""
    return make(ImageConfig, platform=platform, **fields)


def built_image(state, config):
    """Makes an image of a tree and its configuration."""
    return BuiltImage(config.platform, state.edge, config, [])


def set_env(config, key, value):
    """Sets a variable of an image, in its old place where it is there already."""
    set_pair(config.env, key, value)


def set_label(config, key, value):
    """Sets a label of an image, in its old place where it is there already."""
    set_pair(config.labels, key, value)


def option(request, name):
    """The value of an option such as `no-cache`; None: it is not there."""
    return get_pair(request.options, name)


def build_arg(request, name):
    """The value of a build argument; None: it is not there."""
    return get_pair(request.build_args, name)


def target_platforms(request):
    """The platforms to build for: those asked for, else the one that the build runs on."""
    return request.platforms or [request.build_platform]


class Host:
    """The host that the component runs in. There is no other way out of a frontend."""

    def resolve_image_configs(self, requests):
        """Looks images up, all at the same time: `Ok(ImageInfo)` or `Err(message)` each, in order."""
        return imports.resolve_image_configs(requests)

    def resolve_image_config(self, reference, platform=None, **fields):
        """Looks one image up. Raises `BuildFailed`."""
        request = make(ImageRequest, reference=reference, platform=platform, **fields)
        answer = self.resolve_image_configs([request])[0]
        if isinstance(answer, Err):
            raise host_failed(answer.value)
        return answer.value

    def solve(self, definition, roots):
        """Solves a part of a build; one `Reference` for each root. Raises `BuildFailed`."""
        try:
            return imports.solve(definition, roots)
        except Err as error:
            raise host_failed(getattr(error.value, "value", "the build was cancelled")) from error

    def build_file(self, frontend, request):
        """Builds with another frontend; None: the one that the text's syntax line names. Raises `BuildFailed`."""
        try:
            return imports.build_file(frontend, request)
        except Err as error:
            raise BuildFailed(error.value) from error

    def log(self, message, level=LogLevel.INFO):
        """Shows a message to the person. Never changes a result."""
        imports.log(level, message)

    def progress(self, name, current, total=None):
        """Shows how far something is that takes long."""
        imports.progress(name, current, total)

    def warn(self, items, sources):
        """Shows warnings with their source, while the frontend goes on."""
        imports.warn(Report(list(items), list(sources)))


class Frontend:
    """A build language. A call depends on its arguments and the host's answers alone; an instance lives for one call."""

    def describe(self):
        """Says what the frontend is: a `FrontendInfo`, which `make(FrontendInfo, name=..., version=...)` makes."""
        raise NotImplementedError

    def build(self, host, request):
        """Turns a build file into a graph and images: a `BuildResult`, which `Graph.finish` makes."""
        raise unsupported("building by itself")

    def lint(self, host, request):
        """Finds what is wrong or doubtful without building: a `Report`. Unless told otherwise, that is what `build` finds."""
        try:
            return self.build(host, request).warnings
        except BuildFailed as failed:
            if isinstance(failed.error, BuildError_Invalid):
                return failed.error.value
            raise

    def outline(self, host, request):
        """Describes a target and what can be set from outside: an `Outline`."""
        raise unsupported("outlines")

    def list_targets(self, host, request):
        """Lists the targets of a build file."""
        raise unsupported("listing targets")

    def call(self, host, name, request):
        """Answers a named sub-request, one of `describe().calls`: a `CallResult`."""
        raise unsupported(f'the call "{name}"')

    def completions(self, host, request, file, at):
        """Says what could stand at a position: a list of `Completion`."""
        return []

    def hover(self, host, request, file, at):
        """Says what is known of a position: a `Hover` or None."""
        return None

    def rewrite_sources(self, host, request):
        """Gives the main source as the next frontend of a chain is to read it: a `Rewritten`."""
        raise unsupported("rewriting sources")

    def rewrite_images(self, host, request, images):
        """Gives the images that another frontend of a chain shall get instead, in order."""
        raise unsupported("rewriting images")

    def rewrite_result(self, host, request, built):
        """Changes what another frontend of a chain made."""
        raise unsupported("rewriting results")


def component(frontend):
    """Makes a class of exports of a `Frontend` class; the app's module calls it `Frontend`.

    What is raised leaves as the contract's error: a component that only traps says nothing.
    """

    def guarded(call):
        try:
            return call(frontend(), Host())
        except BuildFailed as failed:
            raise Err(failed.error) from failed
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} ({place.filename}:{place.lineno} in {place.name})"
            raise Err(BuildError_Internal(text)) from error

    class Exports:
        def describe(self):
            return frontend().describe()

        def build(self, request):
            return guarded(lambda it, host: it.build(host, request))

        def lint(self, request):
            return guarded(lambda it, host: it.lint(host, request))

        def get_outline(self, request):
            return guarded(lambda it, host: it.outline(host, request))

        def list_targets(self, request):
            return guarded(lambda it, host: it.list_targets(host, request))

        def call(self, name, request):
            return guarded(lambda it, host: it.call(host, name, request))

        def completions(self, request, file, at):
            return guarded(lambda it, host: it.completions(host, request, file, at))

        def get_hover(self, request, file, at):
            return guarded(lambda it, host: it.hover(host, request, file, at))

        def rewrite_sources(self, request):
            return guarded(lambda it, host: it.rewrite_sources(host, request))

        def rewrite_images(self, request, images):
            return guarded(lambda it, host: it.rewrite_images(host, request, images))

        def rewrite_result(self, request, built):
            return guarded(lambda it, host: it.rewrite_result(host, request, built))

    return Exports
