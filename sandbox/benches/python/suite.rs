//! Programs that compute, and what they print.

/// Prints `{"NAME": milliseconds, …}`, each the median of five runs.
pub(crate) const SOURCE: &str = r#"
import hashlib, json, random, re, sys, time

def median(work):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[2] * 1000

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def squares():
    total = 0
    for n in range(1_000_000):
        total += n * n
    return total

def counts():
    table = {}
    for n in range(200_000):
        table[n] = table.get(n - 1, 0) + 1

class Point:
    __slots__ = ("x", "y")
    def __init__(self, x, y):
        self.x, self.y = x, y
    def plus(self, other):
        return Point(self.x + other.x, self.y + other.y)

def points():
    at, step = Point(0, 0), Point(1, 2)
    for _ in range(100_000):
        at = at.plus(step)

random.seed(1)
numbers = [random.random() for _ in range(300_000)]
rows = [{"id": n, "name": "n%d" % n, "values": [n * 0.5, None, True]} for n in range(10_000)]
text = json.dumps(rows)
prose = "lorem ipsum dolor 123 sit amet 4567 " * 2000
sys.set_int_max_str_digits(0)
work = {
    "fib(25)": lambda: fib(25),
    "sum of squares": squares,
    "sort 300,000 floats": lambda: sorted(numbers),
    "dictionary": counts,
    "objects": points,
    "strings": lambda: "".join(str(n) + "-" for n in range(150_000)),
    "json.dumps": lambda: json.dumps(rows),
    "json.loads": lambda: json.loads(text),
    "regular expression": lambda: re.findall(r"\b[a-z]+\b|\d{2,}", prose),
    "long integers": lambda: len(str(3 ** 15_000)),
    "sha256 of 5 MB": lambda: hashlib.sha256(b"x" * 5_000_000).hexdigest(),
}
print(json.dumps({name: median(what) for name, what in work.items()}))
"#;

/// Reads what the source printed.
pub(crate) fn read(printed: &str) -> Vec<(String, f64)> {
    let table: serde_json::Map<String, serde_json::Value> = serde_json::from_str(printed.trim()).unwrap_or_default();
    table.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?))).collect()
}

/// Peers, as Python that defines `once`.
pub(crate) const PEERS: [(&str, &str); 3] = [
    (
        "pydantic-monty (a subset of Python)",
        "import pydantic_monty\npool = pydantic_monty.Monty()\npool.__enter__()\ndef once():\n    with pool.checkout() as session: return session.feed_run('1 + 1')",
    ),
    (
        "smolagents' local executor (no sandbox)",
        "from smolagents.local_python_executor import LocalPythonExecutor\ndef once():\n    executor = LocalPythonExecutor([])\n    executor.send_tools({})\n    return executor('1 + 1')",
    ),
    (
        "python3 -c (no sandbox)",
        "import subprocess, sys\ndef once():\n    subprocess.run([sys.executable, '-c', '1 + 1'], check=True)",
    ),
];
