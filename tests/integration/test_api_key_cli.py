"""keepgate key: API keys from their making to their end, and the older commands for JWKs that stand beside."""
import json
import os
import re
import stat
import subprocess
import zlib

import pytest

from harness.gate import binary, run_cli

FORM = re.compile(r"\bkg_([0-9A-Za-z]{12})_[0-9A-Za-z]{49}\b")
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def key(verb, folder, *arguments, stdin="", code=0):
    result = run_cli("key", verb, *arguments, "--file", folder / "api_keys", stdin=stdin)
    assert result.returncode == code, (result.stdout, result.stderr)
    return result


def create(folder, *arguments):
    text = key("create", folder, "--client", "orders-app", *arguments).stdout.strip()
    assert FORM.fullmatch(text)
    return text, FORM.fullmatch(text)[1]


def shown(folder, id):
    return json.loads(key("show", folder, id, "--output", "json").stdout)


def checksum(text):
    value, out = zlib.crc32(text.encode()), ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        out = ALPHABET[digit] + out
    return out


def test_a_key_has_the_form_that_scanners_are_told(tmp_path):
    text, _ = create(tmp_path)
    assert text[-6:] == checksum(text[:-6])


def test_a_key_is_shown_once_and_stored_nowhere(tmp_path):
    text, id = create(tmp_path, "--scope", "orders:read", "--role", "reader", "--owner", "team", "--note", "a note")
    secret = text.split("_")[2]
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir()).decode()
    assert id in stored and secret not in stored and secret[:43] not in stored
    for verb, more in (("list", []), ("list", ["--format", "json"]), ("show", [id]), ("show", [id, "--output", "json"])):
        result = key(verb, tmp_path, *more)
        assert id in result.stdout and secret not in result.stdout + result.stderr
        hash_of_it = [line.split("\t")[1] for line in stored.splitlines() if line.startswith(id)][0]
        assert hash_of_it not in result.stdout


def test_files_are_private_whatever_the_umask(tmp_path):
    command = f'umask 000; exec "{binary()}" key create --file "{tmp_path}/api_keys" --client c --out "{tmp_path}/c.key"'
    result = subprocess.run(["sh", "-c", command], timeout=20, capture_output=True, text=True)
    assert result.returncode == 0 and not result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["api_keys", "api_keys.secret", "c.key"]
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert key("verify", tmp_path, stdin=(tmp_path / "c.key").read_text()).returncode == 0


def test_what_is_told_is_what_is_kept(tmp_path):
    _, id = create(tmp_path, "--user", "alice", "--scope", "a:b", "--scope", "c", "--role", "r1", "--role", "r2",
                   "--owner", "team@example.com", "--note", "nightly job", "--expires", "2099-12-31", "--not-before", "2098-01-01")
    record = shown(tmp_path, id)
    assert record["client"] == "orders-app" and record["user"] == "alice"
    assert record["scopes"] == ["a:b", "c"] and record["roles"] == ["r1", "r2"]
    assert record["owner"] == "team@example.com" and record["note"] == "nightly job"
    assert record["expires"] == "2099-12-31T00:00:00Z" and record["not_before"] == "2098-01-01T00:00:00Z"
    assert record["state"] == "not yet valid" and record["revoked"] is None


def test_json_has_the_key_and_its_record(tmp_path):
    made = json.loads(key("create", tmp_path, "--client", "c", "--expires", "never", "--output", "json").stdout)
    assert FORM.fullmatch(made["key"])[1] == made["record"]["id"]
    assert made["record"]["expires"] is None and made["record"]["state"] == "active"


def test_verify_says_whose_key_it_is_and_refuses_every_other(tmp_path):
    text, id = create(tmp_path)
    assert "orders-app" in key("verify", tmp_path, stdin=text + "\n").stdout
    forged = f"kg_{id}_" + "A" * 43
    for wrong in ("", "hello", text[:-1], text + "x", text.swapcase(), forged + checksum(forged), "kg_" + "A" * 62):
        result = key("verify", tmp_path, stdin=wrong, code=4)
        assert result.stderr.strip() and text not in result.stderr
    stranger = "kg_zzzzzzzzzzzz_" + "A" * 43
    key("verify", tmp_path, stdin=stranger + checksum(stranger), code=4)
    key("revoke", tmp_path, id)
    assert "revoked" in key("verify", tmp_path, stdin=text, code=4).stderr


def test_rotation_leaves_both_valid_for_the_overlap(tmp_path):
    old, old_id = create(tmp_path, "--scope", "s", "--role", "r", "--owner", "o", "--note", "n", "--expires", "90d")
    new = key("rotate", tmp_path, old_id, "--overlap", "1h").stdout.strip()
    new_id = FORM.fullmatch(new)[1]
    before, after = shown(tmp_path, old_id), shown(tmp_path, new_id)
    assert before["successor"] == new_id and before["state"] == "active"
    assert before["expires"] < after["expires"]
    assert {name: after[name] for name in ("client", "scopes", "roles", "owner", "note")} == {
        name: before[name] for name in ("client", "scopes", "roles", "owner", "note")}
    for text in (old, new):
        key("verify", tmp_path, stdin=text)
    assert new_id in key("rotate", tmp_path, old_id, code=1).stderr, "a key has one successor"
    last = key("rotate", tmp_path, new_id, "--overlap", "0").stdout.strip()
    key("verify", tmp_path, stdin=last)
    key("verify", tmp_path, stdin=new, code=4)


def test_an_overlap_lengthens_no_life(tmp_path):
    _, id = create(tmp_path, "--expires", "1h")
    before = shown(tmp_path, id)["expires"]
    key("rotate", tmp_path, id, "--overlap", "30d")
    assert shown(tmp_path, id)["expires"] == before


def test_revoking_is_final_and_may_be_repeated(tmp_path):
    text, id = create(tmp_path)
    key("revoke", tmp_path, id)
    assert shown(tmp_path, id)["state"] == "revoked"
    key("revoke", tmp_path, id)
    key("rotate", tmp_path, id, code=1)
    key("verify", tmp_path, stdin=text, code=4)


def test_list_filters(tmp_path):
    _, mine = create(tmp_path)
    key("create", tmp_path, "--client", "other")
    ids = lambda *more: [one["client"] for one in json.loads(key("list", tmp_path, "--output", "json", *more).stdout)]
    assert ids() == ["orders-app", "other"] and ids("--client", "other") == ["other"]
    key("revoke", tmp_path, mine)
    assert ids("--active") == ["other"] and len(ids()) == 2
    assert key("list", tmp_path).stdout.splitlines()[0].split()[:2] == ["ID", "CLIENT"]


def test_compact_drops_what_is_out_of_date(tmp_path):
    _, gone = create(tmp_path)
    text, _ = create(tmp_path)
    key("revoke", tmp_path, gone)
    assert len((tmp_path / "api_keys").read_text().splitlines()) == 4
    key("compact", tmp_path)
    assert len((tmp_path / "api_keys").read_text().splitlines()) == 3
    assert shown(tmp_path, gone)["state"] == "revoked"
    key("compact", tmp_path, "--drop-ended", "1d")
    assert shown(tmp_path, gone)["state"] == "revoked", "it ended less than a day ago"
    key("compact", tmp_path, "--drop-ended", "0")
    key("show", tmp_path, gone, code=3)
    key("verify", tmp_path, stdin=text)


@pytest.mark.parametrize("verb", ["show", "revoke", "rotate"])
def test_an_id_has_to_be_one(tmp_path, verb):
    text, _ = create(tmp_path)
    before = (tmp_path / "api_keys").read_text()
    assert "zzzzzzzzzzzz" in key(verb, tmp_path, "zzzzzzzzzzzz", code=3).stderr
    key(verb, tmp_path, "short", code=2)
    result = key(verb, tmp_path, text, code=2)
    assert "rotate it" in result.stderr and text not in result.stderr
    assert (tmp_path / "api_keys").read_text() == before


@pytest.mark.parametrize("wrong", [
    (), ("--client", ""), ("--client", " a"), ("--client", "a\tb"), ("--client", "a\nb"), ("--client", "a", "--role", "x,y,"),
    ("--client", "a", "--scope", "a  b"), ("--client", "a", "--expires", "yesterday"), ("--client", "a", "--expires", "-1h"),
    ("--client", "a", "--expires", "2001-01-01"), ("--client", "a", "--expires", "2099-02-31"), ("--client", "a", "--expires", "0"),
    ("--client", "a", "--note", "n" * 9000), ("--client", "a", "--output", "xml"), ("--client", "a", "surplus"),
    ("--client", "\u202ea"), ("--client", "a", *[word for n in range(65) for word in ("--role", f"r{n}")]),
])
def test_what_is_not_acceptable_makes_no_key(tmp_path, wrong):
    create(tmp_path)
    before = (tmp_path / "api_keys").read_text()
    result = run_cli("key", "create", "--file", tmp_path / "api_keys", *wrong)
    assert result.returncode in (1, 2) and result.stderr.strip() and not result.stdout
    assert (tmp_path / "api_keys").read_text() == before


def test_a_key_as_an_argument_is_not_repeated(tmp_path):
    text, _ = create(tmp_path)
    result = key("verify", tmp_path, text, code=2)
    assert text not in result.stderr and "standard input" in result.stderr


def test_a_key_that_cannot_be_handed_out_is_revoked(tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    key("create", tmp_path, "--client", "c", "--out", taken, code=1)
    assert taken.read_text() == "mine"
    with open("/dev/full", "w") as full:
        command = [binary(), "key", "create", "--file", str(tmp_path / "api_keys"), "--client", "c"]
        assert subprocess.run(command, stdout=full, stderr=subprocess.DEVNULL, timeout=20).returncode == 1
    states = [one["state"] for one in json.loads(key("list", tmp_path, "--output", "json").stdout)]
    assert states == ["revoked", "revoked"]


def test_damaged_files_are_refused_with_their_place(tmp_path):
    create(tmp_path)
    path = tmp_path / "api_keys"
    good = path.read_text()
    for text, why in ((good + "nonsense\n", "line 3"), ("", "no file of API keys"), ("{}\n", "no file of API keys")):
        path.write_text(text)
        assert why in key("list", tmp_path, code=1).stderr
    path.write_text(good)
    secret = tmp_path / "api_keys.secret"
    kept = secret.read_text()
    secret.write_text(kept[::-1].strip() + "\n")
    key("list", tmp_path, code=1)
    secret.write_text(kept)
    os.chmod(secret, 0o644)
    assert "chmod" in key("create", tmp_path, "--client", "c", code=1).stderr
    os.chmod(secret, 0o600)
    key("list", tmp_path)


def test_many_at_the_same_time_all_get_their_key(tmp_path):
    command = [binary(), "key", "create", "--file", str(tmp_path / "api_keys"), "--client", "c"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(12)]
    made = [one.communicate(timeout=60)[0].strip() for one in running]
    assert all(one.returncode == 0 for one in running) and len(set(made)) == 12
    assert len(json.loads(key("list", tmp_path, "--output", "json").stdout)) == 12
    for text in made:
        key("verify", tmp_path, stdin=text)


def test_help_starts_with_examples():
    for verb in ("create", "list", "show", "verify", "rotate", "revoke", "compact"):
        result = run_cli("key", verb, "--help")
        assert result.returncode == 0 and result.stdout.startswith("Examples:"), result.stdout


def test_jwks_have_a_noun_of_their_own_and_the_older_commands_go_on(tmp_path):
    new, old = tmp_path / "new.jwk", tmp_path / "old.jwk"
    assert run_cli("jwk", "create", "--alg", "ES256", "--kid", "a", "--out", new).returncode == 0
    assert run_cli("key", "create", "jwk", "--alg", "ES256", "--kid", "b", "--out", old).returncode == 0
    ways = [run_cli(noun, "public", new, old) for noun in ("jwk", "key")]
    assert ways[0].returncode == 0 and ways[0].stdout == ways[1].stdout
    assert [one["kid"] for one in json.loads(ways[0].stdout)["keys"]] == ["a", "b"]
    lists = [run_cli(noun, "list", new) for noun in ("jwk", "key")]
    assert lists[0].returncode == 0 and lists[0].stdout == lists[1].stdout
