"""faceshader beside PyTorch, Keras, burn and candle: the same two networks, one run, a table in docs/benchmarks.md.

    python3 benches/peers/run.py                # installs what is missing, measures, writes the table
    python3 benches/peers/run.py --print        # the same, but prints the table
    python3 benches/peers/run.py --without burn # leaves one out

Needs Python 3.9, Rust and a package index each for both. Everything is put under target/peers: a virtual
environment each for PyTorch and Keras, and the builds of burn and candle for this very processor. Without
target/peers the newest versions are installed anew; those of burn and candle are in their Cargo.lock.

A rival that fails, or takes longer than --limit seconds in all, gets a row that says so. faceshader's CPU
backend is measured anew before every other program, and the quotients are those of the two neighbours: what
else the machine does then counts in both.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = ROOT / "target/peers"
FACESHADER = ROOT / "target/release" / ("faceshader.exe" if os.name == "nt" else "faceshader")
SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
MARKERS = "<!-- peers -->", "<!-- /peers -->"
STEPS = {"face": 5, "review": 20}
TITLES = {
    "face": "The face network, batches of 20 photos of 128x128:",
    "review": "The review network, batches of 32 texts of 550 words:",
}
UNITS = {"face": "photos", "review": "reviews"}


class Failed(Exception):
    """What the row says in place of numbers."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def execute(command, **options):
    """Runs a command of the installation; its output matters only if it fails."""
    say("$ " + " ".join(map(str, command)))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise Failed("does not install: " + reason(done.stdout, done.returncode))


def python(name, *packages, index=None):
    """The Python of a virtual environment with these packages."""
    folder = TARGET / name
    program = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        execute([sys.executable, "-m", "venv", folder])
        install = [program, "-m", "pip", "install", "--quiet"]
        try:
            # Only what is not there is left to the second command.
            if index:
                execute([*install, "--index-url", index, packages[0]])
        except Failed:
            say(f"{packages[0]} for CPUs alone is not to be had; taking the whole")
        execute([*install, *packages])
        ready.touch()
    return program


def rust(name):
    """The program of a crate beside this file, built for this processor."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET / name), "RUSTFLAGS": "-C target-cpu=native"}
    execute(["cargo", "build", "--release", "--locked"], cwd=HERE / name, env=environment)
    return TARGET / name / "release" / (f"{name}-peer.exe" if os.name == "nt" else f"{name}-peer")


def reason(output, code):
    """The line that tells why a program failed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for line, following in zip(lines, lines[1:]):
        if " panicked at " in line:
            return following
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    errors = [line for line in lines if re.match(r"\w*error\b.*: ", line, re.IGNORECASE)]
    return (errors or lines or [f"exit code {code}"])[-1]


def measure(command, environment, limit):
    """What a program prints as its last line, or why it does not."""
    environment = {**os.environ, **environment}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace", timeout=limit
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"not done within {limit} s") from None
    if done.returncode:
        raise Failed("does not run: " + reason(done.stderr, done.returncode))
    return json.loads(done.stdout.splitlines()[-1])


def adapters():
    """faceshader's adapters but its CPU backend: title, options, environment."""
    found = {}

    def look(environment):
        listed = subprocess.run(
            [FACESHADER, "adapters"], capture_output=True, text=True, env={**os.environ, **environment}
        ).stdout
        for backend, name in re.findall(r"^(\w+): (.*)$", listed, re.MULTILINE):
            # "llvmpipe (LLVM 15.0.6, 256 bits)" is llvmpipe.
            title = f"{backend} on {name.split(' (')[0].removesuffix(' Device')}"
            if backend != "cpu":
                found.setdefault(title, (f"faceshader, {title}", ["--adapter", backend], environment))

    look({})
    if SWIFTSHADER.exists():
        # It hides all other Vulkan drivers; what GL finds then was there before.
        look({"VK_ICD_FILENAMES": str(SWIFTSHADER), "VK_DRIVER_FILES": str(SWIFTSHADER)})
    return list(found.values())


def programs():
    """All but faceshader's CPU backend, interleaved: title, and how to make command and environment."""

    def fixed(command, environment={}):
        return lambda: (command, environment)

    rivals = [
        ("PyTorch", lambda: ([python("pytorch", "torch", "numpy", index=CPU_WHEELS), HERE / "pytorch_peer.py"], {})),
        ("Keras on TensorFlow", lambda: ([python("keras", "keras", "tensorflow-cpu"), HERE / "keras_peer.py"], {})),
        ("burn", lambda: ([rust("burn")], {})),
        ("candle", lambda: ([rust("candle")], {})),
    ]
    own = [(title, fixed([FACESHADER, "bench", "--json", *o], e)) for title, o, e in adapters()]
    mixed = []
    for index in range(max(len(rivals), len(own))):
        mixed += rivals[index : index + 1] + own[index : index + 1]
    return mixed


def run(limit, without):
    """Rows by model: a title with what was measured, or with why nothing was."""
    execute(["cargo", "build", "--release", "--locked"], cwd=ROOT)
    commands = {}
    for title, make in programs():
        if title.startswith(tuple(without)):
            continue
        try:
            commands[title] = make()
        except Failed as failed:
            commands[title] = failed
    cpu = [FACESHADER, "bench", "--json", "--adapter", "cpu"]
    rows = {}
    for model, steps in STEPS.items():
        options = ["--model", model, "--steps", str(steps)]
        own, rows[model] = [], []
        for title, command in commands.items():
            own.append(measure([*cpu, *options], {}, limit))
            say(f"{model}: faceshader, cpu\n    {own[-1]}\n{model}: {title}")
            try:
                if isinstance(command, Failed):
                    raise command
                result = measure([*command[0], *options], command[1], limit)
                result["quotient"] = result["train_images_per_s"] / own[-1]["train_images_per_s"]
            except Failed as failed:
                result = str(failed)
            say(f"    {result}")
            rows[model].append((title, result))
        numbers = ["train_images_per_s", "predict_images_per_s", "peak_memory_bytes"]
        middle = {number: statistics.median(result[number] for result in own) for number in numbers}
        rows[model].append(("**faceshader, cpu**", {**middle, "quotient": 1.0}))
    return rows


def machine():
    """Processor, cores and memory in words."""
    try:
        name = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1]
    except (OSError, TypeError):
        name = platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    words = f"{name.strip()}, {cores} cores"
    if hasattr(os, "sysconf"):
        words += f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    return f"{words}, {platform.system()}"


def significant(value):
    """Three digits that count, or all before the point."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def table(rows, unit):
    """Markdown: the fastest first, and those without numbers last."""
    lines = [
        f"| program | training, {unit} a second | of faceshader's on the CPU | prediction, {unit} a second | memory at most |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for title, result in sorted(rows, key=lambda row: 0 if isinstance(row[1], str) else -row[1]["train_images_per_s"]):
        if isinstance(result, str):
            text = result if len(result) <= 120 else result[:117] + "..."
            cells = [text.replace("|", "\\|").replace("<", "&lt;"), "", "", ""]
        else:
            memory = result["peak_memory_bytes"]
            cells = [
                significant(result["train_images_per_s"]),
                f"{result['quotient']:.2f}" if result["quotient"] >= 0.1 else f"{result['quotient']:.3f}",
                significant(result["predict_images_per_s"]),
                f"{memory / 1e6:,.0f} MB" if memory else "",
            ]
        lines.append(f"| {' | '.join([title, *cells])} |")
    return lines


def versions(rows):
    """Of every rival that ran, once."""
    found = {}
    for title, result in (row for model in rows.values() for row in model):
        if isinstance(result, dict) and "peer" in result:
            found.setdefault(result["peer"], f"{result['peer']} {result['version']}")
    return ", ".join(found.values())


def report(rows, load):
    today = datetime.date.today()
    command = " ".join(["python3 benches/peers/run.py", *sys.argv[1:]])
    lines = [
        f"On {today.day} {today:%B %Y}, by `{command}`, on {machine()}"
        + (f" (load before it began: {load:.1f})" if load is not None else "")
        + f". faceshader at {commit()}; {versions(rows)}.",
    ]
    for model, found in rows.items():
        lines += ["", TITLES[model], "", *table(found, UNITS[model])]
    return "\n".join(lines)


def commit():
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=7"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip() or "an unknown commit"


def write(text):
    page = ROOT / "docs/benchmarks.md"
    before, rest = page.read_text(encoding="utf-8").split(MARKERS[0])
    after = rest.split(MARKERS[1])[1]
    page.write_text(f"{before}{MARKERS[0]}\n{text}\n{MARKERS[1]}{after}", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=180, metavar="SECONDS", help="for every program and network")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="leave out what begins so")
    parser.add_argument("--print", action="store_true", help="print the table; docs/benchmarks.md stays as it is")
    arguments = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    TARGET.mkdir(parents=True, exist_ok=True)
    rows = run(arguments.limit, arguments.without)
    (TARGET / "rows.json").write_text(json.dumps(rows, indent=1))
    text = report(rows, load)
    print(text) if arguments.print else write(text)


if __name__ == "__main__":
    main()
