#!/usr/bin/python3
"""Runs clang-tidy over src/ in parallel and skips what was clean before and has not changed since.

Most of its time goes into the headers of the standard library, so the files of one folder are looked at as one unit,
which includes them all. Where two of them define one name, or a file stands alone, they are looked at one by one.

A file's key is a hash of all that can change the verdict: the tool, .clang-tidy, the compile command, the file and
every header of ours that it includes, however deep. Clean keys are remembered in BUILD/../tidy-cache.
"""

import argparse
import concurrent.futures
import functools
import hashlib
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Rooms that read untrusted bytes get the path-sensitive analyzer as well; elsewhere it would cost more than it finds.
ANALYSED = {"crypto", "http", "tls", "auth", "policy", "identity"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


@functools.cache
def own_includes(path):
    found = []
    for name in INCLUDE.findall(path.read_text(encoding="utf-8")):
        for folder in (path.parent, ROOT / "src", ROOT / "include"):
            candidate = (folder / name).resolve()
            if candidate.is_file():
                found.append(candidate)
                break
    return found


@functools.cache
def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def closure(path):
    seen, queue = {path}, [path]
    for current in queue:
        new = [header for header in own_includes(current) if header not in seen]
        seen.update(new)
        queue.extend(new)
    return sorted(seen)


def key_of(entry, version):
    parts = [version, digest(ROOT / ".clang-tidy"), entry["command"]]
    parts += [f"{path} {digest(path)}" for path in closure(pathlib.Path(entry["file"]))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def run_tidy(file, options):
    room = file.resolve().relative_to(ROOT / "src").parts[0] if file.is_relative_to(ROOT / "src") else file.stem
    checks = [] if room.split("-")[0] in ANALYSED else ["--checks=-clang-analyzer-*"]
    command = [options.clang_tidy, "-p", str(options.build), "--quiet", *checks, str(file)]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return result.returncode, result.stdout + (result.stderr if not result.stdout else "")


class Unit:
    """The files of one folder that have to be looked at."""

    def __init__(self, folder, entries):
        self.folder, self.entries = folder, entries

    def bytes(self):
        return sum(pathlib.Path(entry["file"]).stat().st_size for entry, _ in self.entries)

    def write(self, units):
        """The file that includes them all, and the command for it: that of any of them, with another name."""
        file = units / f"{self.folder.replace('/', '-')}.cc"
        allowed = "// NOLINT(bugprone-suspicious-include)"
        file.write_text("".join(f'#include "{entry["file"]}"  {allowed}\n' for entry, _ in self.entries))
        first = self.entries[0][0]
        return {"directory": first["directory"], "file": str(file),
                "command": first["command"].replace(first["file"], str(file))}

    def check(self, units, options):
        if len(self.entries) > 1:
            options_of_unit = argparse.Namespace(clang_tidy=options.clang_tidy, build=units)
            code, output = run_tidy(units / f"{self.folder.replace('/', '-')}.cc", options_of_unit)
            if code == 0:
                return 0, [key for _, key in self.entries], ""
            if "clang-diagnostic-error" not in output:
                return 1, [], output
            print(f"{self.folder}: two files define one name, so its files are looked at one by one", flush=True)
        bad, keys, said = 0, [], ""
        for entry, key in self.entries:
            code, output = run_tidy(pathlib.Path(entry["file"]), options)
            if code == 0:
                keys.append(key)
            else:
                bad, said = bad + 1, said + output
        return bad, keys, said


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clang-tidy", required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("files", nargs="*", help="only files whose path contains one of these")
    options = parser.parse_args()

    version = subprocess.run([options.clang_tidy, "--version"], capture_output=True, text=True, check=True).stdout
    cache = options.build.parent / "tidy-cache"
    cache.mkdir(exist_ok=True)
    work = {}
    for entry in json.loads((options.build / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["file"]).resolve()
        relative = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else ""
        if not relative.startswith("src/") or relative.endswith("_test.cc") or not file.exists():
            continue
        if options.files and not any(part in relative for part in options.files):
            continue
        key = key_of(entry, version)
        if not (cache / key).exists():
            folder = file.parent.relative_to(ROOT / "src").as_posix()
            work.setdefault("main" if folder == "." else folder, []).append((entry, key))
    print(f"{sum(len(entries) for entries in work.values())} files to look at")

    units = options.build / "units"
    units.mkdir(exist_ok=True)
    queue = [Unit(folder, sorted(entries, key=lambda one: one[0]["file"])) for folder, entries in work.items()]
    (units / "compile_commands.json").write_text(json.dumps([unit.write(units) for unit in queue]))
    queue.sort(key=Unit.bytes, reverse=True)  # The longest first: the last to end decides.

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(unit.check, units, options) for unit in queue]):
            count, keys, output = future.result()
            for key in keys:
                (cache / key).touch()
            bad += count
            print(output, end="", flush=True)
    print(f"{bad} places with findings" if bad else "0 files with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
