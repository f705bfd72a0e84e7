"""Something to do after a module is imported, so that nothing is imported for it."""

import sys

_waiting = {}


def after(name, action):
    """Runs `action(module)` once the module is there: now, if it is."""
    module = sys.modules.get(name)
    if module is not None:
        action(module)
    else:
        _waiting.setdefault(name, []).append(action)


class _Loader:
    """A loader that runs the actions after another one."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        # The module is to know its real loader: resources and sources are asked of it.
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        for action in _waiting.pop(module.__name__, ()):
            action(module)


class _Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in _waiting:
            return None
        for finder in sys.meta_path:
            if finder is _Finder or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader)
                return spec
        return None


sys.meta_path.insert(0, _Finder)
