"""`python -m lapstrake MODULE [-o FILE] [-p FOLDER]`: makes a component of the module that has a class `Frontend`."""

import argparse
import os
import shutil
import subprocess
import sys


def main():
    parser = argparse.ArgumentParser(prog="python -m lapstrake", description=__doc__)
    parser.add_argument("module", help="the module that has a class Frontend")
    parser.add_argument("-o", "--output", default="frontend.wasm")
    parser.add_argument("-p", "--python-path", action="append", default=[], help="folder of modules [default: .]")
    words = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    beside = os.path.join(os.path.dirname(sys.executable), "componentize-py")
    program = beside if os.path.exists(beside) else shutil.which("componentize-py")
    if not program:
        print("componentize-py is not installed: pip install 'lapstrake[build]'", file=sys.stderr)
        sys.exit(127)  # as a shell has it
    command = [program, "-d", os.path.join(here, "wit"), "-w", "frontend-world", "componentize", "--stub-wasi"]
    for folder in [*(words.python_path or ["."]), os.path.dirname(here)]:
        command += ["-p", folder]
    sys.exit(subprocess.run([*command, words.module, "-o", words.output]).returncode)


if __name__ == "__main__":
    main()
