"""Lines of notebooks that are no Python: `%magic` and `!command`.

Only a cell that does not compile is looked at, and of it only the line that the compiler names; so text in a string is
never taken for one.
"""

import ast
import re

#: Magics that ask for what is so anyway.
_NEEDLESS = {"matplotlib", "config", "load_ext", "reload_ext", "autoreload", "pylab", "precision", "capture"}
#: What to write in place of common ones.
_INSTEAD = {
    "ls": "os.listdir(path)", "dir": "os.listdir(path)", "cat": "print(open(path).read())",
    "head": "print(open(path).read(1000))", "cd": "os.chdir(path)", "pwd": "os.getcwd()",
    "mkdir": "os.makedirs(path)", "rm": "os.remove(path)", "cp": "shutil.copy(a, b)", "mv": "shutil.move(a, b)",
    "unzip": "zipfile.ZipFile(path).extractall(folder)", "tar": "tarfile.open(path).extractall(folder)",
    "echo": "print(text)", "time": "time.perf_counter()", "timeit": "the timeit module", "env": "os.environ",
    "run": "exec(open(path).read())", "who": "dir()", "whos": "dir()", "python": "the program's own lines",
    "python3": "the program's own lines",
}  # fmt: skip

_LINE = re.compile(r"^(\s*)((?:[\w\s,]+=\s*)?)(%%|%|!!|!)\s*([\w.-]*)(.*)$")
_HELP = re.compile(r"^(\s*)\?*([\w.]+)\?{1,2}\s*$")


def parse(source, name, error):
    """The tree of a cell whose notebook lines are replaced; `None` where it has none."""
    lines, replaced = source.split("\n"), False
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%") and _replacement(lines[first]) not in (None, "pass"):
        # What follows is for the magic, and need not be Python.
        lines[first + 1 :] = []
    for _ in range(len(lines)):
        at = _lines_of(error, lines)
        line = next((number for number in at if _replacement(lines[number]) is not None), None)
        if line is None:
            break
        lines[line] = _replacement(lines[line])
        replaced = True
        try:
            flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            return compile("\n".join(lines), name, "exec", flags, dont_inherit=True)
        except SyntaxError as next_error:
            error = next_error
    if replaced:
        raise error
    return None


def _lines_of(error, lines):
    """The lines that an error may mean, counted from 0."""
    number = (error.lineno or 0) - 1
    return [at for at in (number, number - 1) if 0 <= at < len(lines)]


def _replacement(line):
    match = _LINE.match(line)
    if match:
        indent, _, mark, word, rest = match.groups()
        if mark.startswith("%") and word in _NEEDLESS:
            return f"{indent}pass"
        return f"{indent}__import__('glassbox_guest.magics').magics.refuse({mark!r}, {word!r}, {rest.strip()!r})"
    match = _HELP.match(line)
    return f"{match[1]}help({match[2]})" if match else None


def refuse(mark, word, rest):
    """What such a line does when it runs."""
    from . import denials

    words = [word, *rest.split()]
    if word.startswith("python") and words[1:3] == ["-m", "pip"]:
        words = words[2:]
    if words[0] in ("pip", "pip3", "conda", "mamba", "uv", "apt", "apt-get"):
        return _install(words)
    instead = _INSTEAD.get(word)
    what = f"`{mark}{word}` is a line of notebooks, not Python"
    hint = f"use {instead}" if instead else "write it in Python"
    if mark.startswith("!"):
        denials.tell("process", f"`{mark}{word}`: the sandbox has no other processes", hint)
        raise denials.SandboxDenied("process", f"{what}, and the sandbox has no shell", hint)
    raise denials.SandboxDenied("process", what, hint)


def _install(words):
    """Nothing can be installed; but what is there already needs it not."""
    from importlib.util import find_spec

    from . import denials

    names = {
        "scikit-learn": "sklearn",
        "pillow": "PIL",
        "beautifulsoup4": "bs4",
        "pyyaml": "yaml",
        "python-dateutil": "dateutil",
    }
    wanted = [re.split(r"[<>=!~\[; ]", word)[0] for word in words[1:] if not word.startswith("-")]
    wanted = [word for word in wanted if word and word not in ("install", "list", "show", "freeze", "uninstall", "-y")]
    missing = []
    for word in wanted:
        module = names.get(word.lower(), word.replace("-", "_"))
        try:
            there = find_spec(module) is not None
        except (ImportError, ValueError):
            there = False
        if not there:
            missing.append(word)
    if wanted and not missing:
        print(f"{', '.join(wanted)}: there already")
        return
    what = f"{', '.join(missing)} cannot be installed" if missing else "packages cannot be installed"
    hint = "use the packages that are there, or write it in plain Python"
    denials.tell("network", what, hint)
    raise denials.SandboxDenied("network", f"{what}: the sandbox has no network", hint)
