"""Who may include whom: the lines of cmake/rooms.cmake hold for every #include, and a decision does no I/O."""

import re
import subprocess

import pytest

from tree import ROOT, SRC, complain, files, is_test, relative, text_of

# An outside header belongs to the rooms named here; what is not listed may be used anywhere. First match counts.
OUTSIDE = [
    (r"openssl/(ssl|ocsp)", {"tls"}),
    (r"openssl/", {"crypto", "tls"}),
    (r"sys/epoll\.h|sys/eventfd\.h|sys/timerfd\.h", {"net"}),
    (r"crypt\.h$", {"crypto"}),
    (r"sodium", {"crypto"}),
    (r"simdjson", {"crypto"}),
    (r"yaml\.h", {"policy"}),
    (r"pcre2\.h", {"route"}),
    (r"CLI/", {"cli"}),
    (r"ares", {"net"}),
    (r"curl/", {"fetch"}),
    (r"nghttp2/", {"http"}),
    (r"sqlite3\.h|libpq", {"store"}),
    (r"(iostream|regex)$", set()),
]
SANS_IO = {"http", "route", "auth", "policy", "limit", "identity"}
IO_HEADERS = re.compile(r"sys/(socket|epoll|eventfd|timerfd|un|uio|mman)\.h|netinet/|netdb\.h|poll\.h|fstream")
DECIDE_NEVER = {"net", "tls", "upstream", "store", "proxy", "conf", "cli", "admin"}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def read_rooms():
    rooms = {}
    for line in text_of(ROOT / "cmake/rooms.cmake").splitlines():
        match = re.match(r"kg_room\((\w+)\s+USES\s*(.*?)\s*LIBRARIES\s*(.*?)\s*\)", line)
        if match:
            rooms[match[1]] = match[2].split()
    return rooms


ROOMS = read_rooms()


def includes(path):
    """(own header or None, outside header or None) for each #include of a file."""
    return [(own or None, outside or None) for own, outside in INCLUDE.findall(text_of(path))]


def room_of(path):
    return path.relative_to(SRC).parts[0]


def sources():
    return [path for path in files("*.cc", "*.h", below=["src"]) if not is_test(path) and path.parent != SRC]


def test_every_folder_is_a_room_and_every_room_uses_only_rooms_above_it():
    seen, findings = set(), []
    for room, used in ROOMS.items():
        findings += [f"{room} uses {other}, which is not declared above it" for other in used if other not in seen]
        seen.add(room)
    for path in sources():
        if room_of(path) not in ROOMS:
            findings.append(f"{relative(path)}: no line in cmake/rooms.cmake")
    complain(sorted(set(findings)))


def test_a_file_includes_only_what_its_room_may_use():
    findings = []
    for path in sources():
        room = room_of(path)
        for own, _ in includes(path):
            if own is None:
                continue
            other = own.split("/")[0]
            if other in ("keepgate", room) and "/" in own:
                continue
            if "/" not in own:
                findings.append(f'{relative(path)}: write "{room}/{own}", not "{own}"')
            elif other not in ROOMS.get(room, []):
                findings.append(f'{relative(path)}: {room} may not use {other} ("{own}")')
            elif not (SRC / own).is_file():
                findings.append(f'{relative(path)}: "{own}" does not exist')
    complain(findings)


def test_each_outside_library_has_one_home():
    findings = []
    for path in sources():
        for _, outside in includes(path):
            for pattern, allowed in OUTSIDE:
                if outside and re.match(pattern, outside):
                    if room_of(path) not in allowed:
                        owners = " and ".join(sorted(allowed)) or "nobody"
                        findings.append(f"{relative(path)}: <{outside}> belongs to {owners}")
                    break
    complain(findings)


def test_rooms_without_io_include_no_sockets_and_no_files():
    findings = []
    for path in sources():
        for _, outside in includes(path):
            if outside and room_of(path) in SANS_IO and IO_HEADERS.match(outside):
                findings.append(f"{relative(path)}: <{outside}> in a room without I/O")
    complain(findings)


def include_closure(start):
    """Every file of ours that is reached by includes, with the way to it."""
    way = {path: relative(path) for path in start}
    queue = list(start)
    for path in queue:
        for own, _ in includes(path):
            target = SRC / own if own else None
            if target and target.is_file() and target not in way:
                way[target] = f"{way[path]} → {own}"
                queue.append(target)
    return way


def test_decide_reaches_no_header_that_knows_sockets():
    start = [SRC / "pipeline/decide.h", SRC / "pipeline/decide.cc"]
    present = [path for path in start if path.exists()]
    assert present, "src/pipeline/decide.h is missing"
    complain([way for path, way in include_closure(present).items() if room_of(path) in DECIDE_NEVER])


def undefined_symbols(library):
    output = subprocess.run(["nm", "-C", "-u", str(library)], capture_output=True, text=True, check=True).stdout
    return [line.split(" U ", 1)[1].strip() for line in output.splitlines() if " U " in line]


def test_the_linked_decision_refers_to_no_socket_file_lock_or_clock():
    library = ROOT / "build/release/libkg_decide.a"
    if not library.exists():
        pytest.skip("build/release/libkg_decide.a is not built")
    calls = re.compile(r"(socket|connect|accept4?|bind|listen|send|sendto|sendmsg|recv|recvfrom|recvmsg|open|openat|"
                       r"fopen|read|write|writev|readv|epoll_\w+|poll|select|clock_gettime|gettimeofday|time|nanosleep|"
                       r"pthread_mutex_lock|getaddrinfo|fork|execve|system)(@.*)?$")
    own = re.compile(r"keepgate::(net|tls|upstream|store|proxy|conf|cli)::|std::chrono::|std::basic_[io]?f?stream|SSL_")
    complain([f"decide uses {symbol}" for symbol in undefined_symbols(library)
              if calls.match(symbol) or own.search(symbol)])


def test_only_decide_makes_permits():
    findings = []
    for path in sources():
        if re.search(r"\bstruct PermitMaker\b(?!;)|PermitMaker::", text_of(path)):
            if relative(path) != "src/pipeline/decide.cc":
                findings.append(f"{relative(path)}: PermitMaker is decide.cc's alone")
    complain(findings)
