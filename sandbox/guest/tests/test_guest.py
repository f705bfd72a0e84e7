"""What the guest package does with cells, in a native Python."""

import os
import signal
import unittest

from .session import Session


class Guest(unittest.TestCase):
    def session(self, **options):
        session = Session(**options)
        self.addCleanup(session.close)
        return session

    def assert_raises(self, outputs, name, *texts):
        self.assertEqual(outputs.status, "error")
        self.assertEqual(outputs.error["name"], name)
        for text in texts:
            self.assertIn(text, outputs.traceback)
        self.assertNotIn("<glassbox>", outputs.traceback)


class Cells(Guest):
    def test_the_last_expression_is_the_result(self):
        session = self.session()
        for source, result in [
            ("x = 1\nx + 1", "2"),
            ("x;", None),
            ("x; # quiet", None),
            ("None", None),
            ("", None),
            ("'a;'", "'a;'"),
        ]:
            ran = session.run(source)
            self.assertEqual((ran.result, ran.status), (result, "ok"), source)
        self.assertEqual(session.run("_").result, "'a;'")
        self.assertEqual(session.run("sorted(Out)").result, "[1, 6, 7]")
        session.run("_ = 'mine'\n5")
        self.assertEqual(session.run("_").result, "'mine'")

    def test_what_is_printed_is_flushed_before_the_host_is_called(self):
        said = []

        def hear(session, request):
            said.append((request["op"], session._drain(session.child.stdout)))

        self.session().run("print('a', end='')\ndisplay(1)\nprint('b', end='')\n2", on_request=hear)
        self.assertEqual(said, [("cell", ""), ("display", "a"), ("result", "b"), ("done", "")])

    def test_await_at_the_top_and_loops_of_its_own(self):
        session = self.session()
        session.run("import asyncio\nasync def f(n):\n    await asyncio.sleep(n / 1000)\n    return n")
        self.assertEqual(session.run("await asyncio.gather(f(2), f(1))").result, "[2, 1]")
        self.assertEqual(session.run("asyncio.run(f(3))").result, "3")
        self.assertEqual(session.run("await asyncio.to_thread(lambda: 4)").result, "4")
        self.assertEqual(session.run("async with asyncio.timeout(5):\n    x = await f(5)\nx").result, "5")
        ran = session.run("await asyncio.wait_for(f(10_000), 0.01)")
        self.assert_raises(ran, "TimeoutError")
        ran = session.run("async def stuck():\n    await asyncio.get_running_loop().create_future()\nawait stuck()")
        self.assert_raises(ran, "Deadlock", "await stuck()", "never come")
        self.assertEqual(session.run("await f(6)").result, "6")

    def test_functions_and_classes_of_cells_can_be_looked_at_and_pickled(self):
        session = self.session()
        session.run("import inspect, pickle\ndef f():\n    return 1  # one\nclass P: pass")
        self.assertIn("# one", session.run("print(inspect.getsource(f))").stdout)
        self.assertEqual(
            session.run("type(pickle.loads(pickle.dumps(P()))) is P, __name__").result, "(True, '__main__')"
        )

    def test_exits_have_their_codes(self):
        session = self.session()
        for source, code in [("exit()", 0), ("import sys\nsys.exit(3)", 3), ("sys.exit('bye')", 1), ("quit(0)", 0)]:
            ran = session.run(source)
            self.assertEqual((ran.status, ran[-1]["code"], ran.error is not None), ("exit", code, code != 0), source)

    def test_lines_of_notebooks_are_answered(self):
        session = self.session()
        self.assertEqual(session.run("%matplotlib inline\n3").result, "3")
        self.assertEqual(session.run("'''\n%matplotlib inline\n!ls'''[-3:]").result, "'!ls'")
        self.assertEqual(session.run("!pip install json\n4").result, "4")
        ran = session.run("!pip install no_such_thing")
        self.assert_raises(ran, "SandboxDenied", "no_such_thing cannot be installed", "!pip install no_such_thing")
        self.assertEqual([event["kind"] for event in ran.of("denied")], ["network"])
        self.assert_raises(session.run("x = 1\nfiles = !ls"), "SandboxDenied", "os.listdir")
        self.assert_raises(session.run("%%bash\necho 1"), "SandboxDenied")
        self.assert_raises(session.run("%magic\nfor for"), "SyntaxError", "for for")


class Tracebacks(Guest):
    def test_lines_of_cells_stand_in_them_and_the_guest_does_not(self):
        session = self.session()
        session.run("def f(a):\n    return 1 / a")
        self.assert_raises(
            session.run("f(0)"), "ZeroDivisionError", '"<cell 1>", line 2', "return 1 / a", '"<cell 2>", line 1'
        )
        ran = session.run("x = = 1")
        self.assert_raises(ran, "SyntaxError", "x = = 1")
        self.assertNotIn("Traceback", ran.traceback)

    def test_chains_and_groups_are_whole(self):
        session = self.session()
        ran = session.run("try:\n    1 / 0\nexcept Exception as e:\n    raise KeyError('k') from e")
        self.assert_raises(ran, "KeyError", "division by zero", "direct cause")
        self.assert_raises(
            session.run("raise ExceptionGroup('g', [ValueError('a')])"), "ExceptionGroup", "ValueError: a"
        )

    def test_what_is_endless_is_cut(self):
        session = self.session()
        ran = session.run("def f(n):\n    return f(n + 1)\nf(0)")
        self.assert_raises(ran, "RecursionError", "left out")
        self.assertLess(len(ran.error["traceback"]), 300)
        ran = session.run("raise ValueError('x' * 10_000_000)")
        self.assertLess(len(ran.error["value"]), 11_000)
        self.assertLess(len(ran.traceback), 2_000)
        ran = session.run(
            "e = None\nfor n in range(5000):\n    new = ValueError(n)\n    new.__context__ = e\n    e = new\nraise e"
        )
        self.assert_raises(ran, "ValueError", "4999")

    def test_exceptions_that_misbehave_are_told(self):
        session = self.session()
        source = "class Bad(Exception):\n    def __str__(self):\n        raise ValueError\nraise Bad"
        self.assertEqual(session.run(source).error["name"], "Bad")
        self.assertEqual(session.run("raise MemoryError").error["name"], "MemoryError")
        self.assertEqual(session.run("1").result, "1")

    def test_what_the_sandbox_is_the_reason_of_is_said(self):
        session = self.session()
        ran = session.run("open('/etc/no/such/file')")
        self.assert_raises(ran, "FileNotFoundError", "/mnt/data and /tmp")
        self.assertEqual([event["kind"] for event in ran.of("denied")], ["path"])
        ran = session.run("open('/tmp/no/such/file')")
        self.assertEqual(ran.of("denied"), [])
        self.assert_raises(session.run("import no_such_module"), "ModuleNotFoundError", "Nothing can be installed")


class Values(Guest):
    def test_forms_are_asked_of_the_value(self):
        session = self.session()
        source = (
            "class V:\n    def __repr__(self): return 'plain'\n    def _repr_html_(self): return '<b>'\n"
            "    def _repr_png_(self): return b'png'\n    def _repr_svg_(self): raise ValueError\nV()"
        )
        data = session.run(source).of("result")[0]["data"]
        self.assertEqual(data, {"text/html": "<b>", "image/png": "cG5n", "text/plain": "plain"})
        source = "class M:\n    def _repr_mimebundle_(self, **kw): return {'text/x': 'x', 'bad': float('nan')}, {}\nM()"
        self.assertEqual(set(session.run(source).of("result")[0]["data"]), {"text/x", "text/plain"})
        self.assertEqual(set(session.run("V").of("result")[0]["data"]), {"text/plain"})
        source = "class Any:\n    def __getattr__(self, name): return lambda *a, **k: 'x'\nAny()"
        self.assertEqual(set(session.run(source).of("result")[0]["data"]), {"text/plain"})

    def test_text_is_bounded_and_never_fails(self):
        session = self.session()
        for source, text in [
            ("list(range(10**6))", "(999,000 more)"),
            ("'x' * 10**7", "(10,000,000 in all)"),
            ("{n: [n] * 1000 for n in range(1000)}", "more)"),
            ("2**100_000", "could not be made"),
            ("class A:\n    def __repr__(self): raise ValueError('no')\nA()", "could not be made: ValueError: no"),
            ("class A:\n    def __repr__(self): return 5\nA()", "could not be made"),
            ("a = []\na.append(a)\na", "…"),
            ("a = []\nfor _ in range(5000): a = [a]\na", "…"),
        ]:
            result = session.run(source).result
            self.assertIn(text, result, source)
            self.assertLess(len(result), 25_000, source)
        self.assertEqual(session.run("'\\ud800'").status, "ok")
        self.assertEqual(session.run("print('\\ud800')").stdout, "\\ud800\n")

    def test_displays_are_updated_and_cleared(self):
        session = self.session()
        ran = session.run("h = display('one', display_id=True)\nh.update('two')")
        first, second = ran.of("display")
        self.assertEqual((first["update"], second["update"], first["id"]), (False, True, second["id"]))
        ran = session.run(
            "from IPython.display import clear_output, HTML\nclear_output(wait=True)\ndisplay({'a/b': 'c'}, raw=True)"
        )
        self.assertEqual(
            [(event["op"], event.get("wait"), event.get("data")) for event in ran[:-1]],
            [("clear", True, None), ("display", None, {"a/b": "c"})],
        )


class Interrupts(Guest):
    def strike(self, session, at):
        """Interrupts when the host is asked `at`, or at once for `cell`."""

        def hear(session, request):
            if request["op"] == at:
                os.kill(session.child.pid, signal.SIGINT)

        return hear

    def test_a_loop_is_interrupted_and_the_session_goes_on(self):
        session = self.session()
        ran = session.run("display(0)\nwhile True: pass", on_request=self.strike(session, "display"))
        self.assertEqual((ran.status, ran.error["name"]), ("interrupted", "KeyboardInterrupt"))
        self.assertEqual(session.run("1").result, "1")

    def test_a_program_may_catch_it(self):
        session = self.session()
        source = "try:\n    display(0)\n    while True: pass\nexcept KeyboardInterrupt:\n    print('caught')"
        ran = session.run(source, on_request=self.strike(session, "display"))
        self.assertEqual((ran.status, ran.stdout), ("ok", "caught\n"))

    def test_none_breaks_the_protocol_wherever_it_strikes(self):
        session = self.session()
        for at in ("cell", "result", "error", "done"):
            for source in ("1", "1 / 0"):
                ran = session.run(source, on_request=self.strike(session, at))
                self.assertIn(ran.status, ("ok", "error", "interrupted"))
                self.assertEqual(session.run("2").result, "2")

    def test_a_handler_of_the_program_lasts_one_cell(self):
        session = self.session()
        session.run("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)")
        ran = session.run("display(0)\nwhile True: pass", on_request=self.strike(session, "display"))
        self.assertEqual(ran.status, "interrupted")

    def test_a_repr_without_end_is_interrupted(self):
        session = self.session()
        source = "class A:\n    def __repr__(self):\n        display(0)\n        while True: pass\nA()"
        self.assertEqual(session.run(source, on_request=self.strike(session, "display")).status, "interrupted")

    def test_a_cell_that_awaits_leaves_nothing_behind(self):
        session = self.session()
        source = (
            "import asyncio\nseen = []\ndisplay(0)\n"
            "for n in range(10**9):\n    seen.append(n)\n    await asyncio.sleep(0)"
        )
        self.assertEqual(session.run(source, on_request=self.strike(session, "display")).status, "interrupted")
        self.assertEqual(session.run("n = len(seen)\nawait asyncio.sleep(0.01)\nlen(seen) == n").result, "True")


class Refusals(Guest):
    def test_what_a_sandbox_has_not_is_said_and_told_once(self):
        session = self.session()
        for kind, source in [
            ("process", "import os\nos.system('ls')"),
            ("process", "import subprocess\nsubprocess.run(['ls'])"),
            ("process", "import threading\nthreading.Thread(target=print).start()"),
            ("process", "import multiprocessing\nmultiprocessing.Pool()"),
            ("process", "from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor().submit(print)"),
            ("network", "import socket\nsocket.create_connection(('localhost', 80))"),
            ("network", "import urllib.request\nurllib.request.urlopen('http://localhost')"),
            ("network", "import http.client\nhttp.client.HTTPConnection('localhost').request('GET', '/')"),
        ]:
            ran = session.run(source)
            self.assert_raises(ran, "SandboxDenied", "the sandbox has no ")
            self.assertEqual([event["kind"] for event in ran.of("denied")], [kind], source)
        ran = session.run("for _ in range(3):\n    try: os.system('ls')\n    except OSError: pass")
        self.assertEqual((len(ran.of("denied")), ran.status), (1, "ok"))

    def test_a_thread_that_a_library_tries_and_lets_go_is_not_told(self):
        ran = self.session().run("import threading\ntry: threading.Timer(5, print).start()\nexcept RuntimeError: pass")
        self.assertEqual((ran.status, ran.of("denied")), ("ok", []))

    def test_input_is_answered_or_at_its_end(self):
        session = self.session(line=lambda prompt, hidden: f"{prompt}{hidden}")
        self.assertEqual(session.run("input('name? ')").result, "'name? False'")
        self.assertEqual(session.run("from getpass import getpass\ngetpass('word? ')").result, "'word? True'")
        session = self.session()
        ran = session.run("input('name? ')")
        self.assert_raises(ran, "EOFError", "nobody answers")
        self.assertEqual([event["kind"] for event in ran.of("denied")], ["input"])
        self.assertEqual(session.run("import sys\nsys.stdin.read()").result, "''")


if __name__ == "__main__":
    unittest.main()
