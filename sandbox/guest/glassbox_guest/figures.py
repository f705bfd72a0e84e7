"""matplotlib: open figures are shown after the cell, `plt.show()` shows at once, Chinese titles have glyphs."""

import os
import sys

from . import calls, imports

#: Where the host mounts fonts, if it has some.
FONTS = ("/usr/local/share/fonts", "/usr/share/fonts")
#: Families that programs ask for by habit where they write Chinese; each stands for the first mounted font.
HABITUAL = (
    "SimHei", "SimSun", "Microsoft YaHei", "Heiti TC", "Heiti SC", "STHeiti", "PingFang SC", "Songti SC", "KaiTi",
    "FangSong", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans CN",
    "Source Han Sans SC", "Arial Unicode MS",
)  # fmt: skip


def install():
    """Waits for matplotlib."""
    imports.after("matplotlib.pyplot", _patch_pyplot)
    imports.after("matplotlib.font_manager", _add_fonts)


def show_open():
    """Shows the open figures and closes them."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    # In a cell that is importing it, it is there by half.
    if pyplot is None or not hasattr(pyplot, "get_fignums"):
        return
    numbers = pyplot.get_fignums()
    try:
        for number in numbers:
            _show(pyplot.figure(number))
    finally:
        if numbers:
            pyplot.close("all")


def close(figure):
    """Closes a figure, if it is an open one."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    number = getattr(figure, "number", None)
    if pyplot is not None and isinstance(number, int) and pyplot.fignum_exists(number):
        pyplot.close(number)


def png(figure):
    """A figure as PNG."""
    import io

    buffer = io.BytesIO()
    figure = figure.get_figure(root=True) if hasattr(figure, "get_figure") and figure.get_figure() else figure
    figure.savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue()


def _show(figure):
    from binascii import b2a_base64

    width, height = figure.get_size_inches()
    axes = len(figure.axes)
    text = f"<Figure {width:g}x{height:g} in, {axes} {'plot' if axes == 1 else 'plots'}>"
    data = {"image/png": b2a_base64(png(figure), newline=False).decode("ascii"), "text/plain": text}
    calls.call("display", data=data, id=None, update=False)


def _patch_pyplot(pyplot):
    def show(*args, **kwargs):
        """Shows the open figures."""
        show_open()

    def show_figure(self, warn=True):
        """Shows this figure."""
        _show(self)
        close(self)

    pyplot.show = show
    pyplot.Figure.show = show_figure


def _add_fonts(font_manager):
    """Adds the mounted fonts behind the default ones, so that a glyph which those lack comes from them."""
    paths = sorted(path for folder in FONTS for path in _font_files(folder))
    if not paths:
        return
    from dataclasses import replace

    import matplotlib

    manager, names = font_manager.fontManager, []
    for path in paths:
        before = len(manager.ttflist)
        try:
            manager.addfont(path)
        except Exception:  # A font that matplotlib cannot read is not worth a failure.
            continue
        entries = manager.ttflist[before:]
        names += [entry.name for entry in entries if entry.name not in names]
        if before == len(manager.ttflist) or not entries:
            continue
        known = {entry.name for entry in manager.ttflist}
        for family in HABITUAL:
            if family not in known:
                manager.ttflist.append(replace(entries[0], name=family))
    for settings in (matplotlib.rcParams, matplotlib.rcParamsDefault, getattr(matplotlib, "rcParamsOrig", {})):
        family = list(settings.get("font.family", ["sans-serif"]))
        settings["font.family"] = family + [name for name in names if name not in family]


def _font_files(folder):
    for parent, _, files in os.walk(folder):
        for name in files:
            if name.lower().endswith((".ttf", ".otf", ".ttc")):
                yield os.path.join(parent, name)
