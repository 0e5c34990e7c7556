#!/usr/bin/python3
"""Runs clang-tidy over src/ in parallel and skips what was clean before and has not changed since.

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


def check(entry, options):
    room = pathlib.Path(entry["file"]).resolve().relative_to(ROOT / "src").parts[0]
    checks = [] if room in ANALYSED else ["--checks=-clang-analyzer-*"]
    command = [options.clang_tidy, "-p", str(options.build), "--quiet", *checks, entry["file"]]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return result.returncode, result.stdout, result.stderr


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
    work = []
    for entry in json.loads((options.build / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["file"]).resolve()
        relative = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else ""
        if not relative.startswith("src/") or relative.endswith("_test.cc") or not file.exists():
            continue
        if options.files and not any(part in relative for part in options.files):
            continue
        key = key_of(entry, version)
        if not (cache / key).exists():
            work.append((relative, key, entry))
    print(f"{len(work)} files to look at")

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = {pool.submit(check, entry, options): (relative, key) for relative, key, entry in work}
        for future in concurrent.futures.as_completed(futures):
            relative, key = futures[future]
            code, output, errors = future.result()
            if code == 0:
                (cache / key).touch()
                continue
            bad += 1
            print(f"{relative}\n{output}{errors if not output else ''}", flush=True)
    print(f"{bad} files with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
