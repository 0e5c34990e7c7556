"""No statement against the store goes through a table that grows: an index finds its rows, or its reason is here."""
import re
import sqlite3

import pytest

from tree import SRC, complain, files, is_test, relative, text_of

LITERAL = r'"(?:[^"\\\n]|\\.)*"|R"\((?:.|\n)*?\)"'
LITERALS = re.compile(rf"(?:{LITERAL})(?:\s*(?:{LITERAL}))*")
ONE = re.compile(LITERAL)
STATEMENT = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\b")

# Tables that stay small: an operator's users and keys, and a row for each kind of thing.
SMALL = {"facts", "versions", "signing_keys", "store_migrations"}
# What reads a whole table, and why it may. By the beginning of the statement.
WHOLE = {
    "SELECT id, document, created_s, changed_s FROM clients ORDER BY id":
        "`keepgate client list`: it shows all of them",
    "SELECT name, document, totp_sealed, created_s, changed_s FROM users ORDER BY name":
        "`keepgate user list`: it shows all of them",
    "SELECT COUNT(*) FROM revocations":
        "only where versions are so far apart that the list may be full",
    "SELECT 1 FROM signing_keys UNION ALL SELECT 1 FROM users WHERE totp_sealed IS NOT NULL LIMIT 1":
        "at a start without its key file; it ends at the first row",
    "SELECT COUNT(*) FROM clients":
        "when a client is added: at most 100,000 entries of an index",
}


def words_of(literals):
    parts = []
    for literal in ONE.findall(literals):
        is_raw = literal.startswith("R")
        parts.append(literal[3:-2] if is_raw else literal[1:-1].replace('\\"', '"').replace("\\n", "\n"))
    return "".join(parts)


def texts(path):
    return [words_of(match[0]) for match in LITERALS.finditer(text_of(path))]


def statements():
    out = []
    for path in files("*.cc", below=["src"]):
        room = relative(path).split("/")[1]
        if room in ("oauth", "cli") and not is_test(path):
            out += [(relative(path), " ".join(text.split())) for text in texts(path) if STATEMENT.match(text)]
    return out


@pytest.fixture(scope="module")
def store():
    made = sqlite3.connect(":memory:")
    for text in texts(SRC / "oauth/schema.cc"):
        if re.match(r"\s*(CREATE|ALTER|INSERT)\b", text):
            made.execute(text)
    made.execute("CREATE TABLE IF NOT EXISTS store_migrations (number BIGINT PRIMARY KEY, name TEXT, done_s BIGINT)")
    yield made
    made.close()


def plan(store, statement):
    names = {number: 1 for number in re.findall(r"\$(\d+)", statement)}
    return [row[3] for row in store.execute(f"EXPLAIN QUERY PLAN {statement}", names)]


def scans(store, statement):
    tables = {name for name, in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    out = []
    steps = plan(store, statement)
    grows = {word for step in steps for word in re.findall(r"\w+", step)} & (tables - SMALL)
    for step in steps:
        match = re.match(r"SCAN (\w+)", step)
        # In the order of an index and with a bound: as many rows as are asked for.
        is_bounded = "LIMIT" in statement and "USING" in step
        if match and match[1] in tables - SMALL and not is_bounded:
            out.append(step)
        if "TEMP B-TREE" in step and grows:
            out.append(step)
    return out


def test_no_statement_scans_a_table_that_grows(store):
    found = statements()
    assert len(found) > 80, "the statements are no longer found"
    bad = []
    for path, statement in found:
        if path.endswith("schema.cc") or statement in WHOLE:
            continue
        bad += [f"{path}: {step}: {statement}" for step in scans(store, statement)]
    complain(bad)


def test_every_exception_is_a_statement_that_is_there():
    there = {statement for _, statement in statements()}
    complain([f"no such statement any more: {one}" for one in WHOLE if one not in there])


def test_whatever_expires_has_an_index_for_the_sweep(store):
    of_service = [statement for path, statement in statements() if path.endswith("service.cc")]
    swept = [statement for statement in of_service if statement.startswith("DELETE")]
    assert len(swept) >= 8
    for statement in swept:
        assert not scans(store, statement), statement
        assert "LIMIT" in statement, f"a sweep does a bounded piece: {statement}"


@pytest.mark.parametrize("statement", [
    "SELECT hash FROM sessions WHERE authenticated_s < $1",
    "DELETE FROM grants WHERE created_s < $1",
    "SELECT id FROM grants ORDER BY created_s",
])
def test_a_statement_that_scans_is_found(store, statement):
    assert scans(store, statement)
