"""Slash-separated paths of trees, as plain text. Knows nothing of files; symbolic links are not seen."""


def join(directory, path):
    """Makes an absolute, clean path; `..` never leaves `/`.

    >>> join("/src", "a/../b/"), join("", "..")
    ('/src/b', '/')
    """
    parts = []
    for part in ("" if path.startswith("/") else directory).split("/") + path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def join_keeping_slash(directory, path):
    """Does as `join`, but a path that names a directory by its end keeps a `/` there."""
    out = join(directory, path)
    is_directory = path in ("", ".") or path.endswith(("/", "/."))
    return out + "/" if is_directory and not out.endswith("/") else out
