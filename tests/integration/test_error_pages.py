"""error_page: which answers it replaces, and with what."""


def test_return_of_a_bare_error_has_its_error_page(keepgate):
    gate = keepgate("""server { listen 127.0.0.1:@gate@; error_page 404 /err; error_page 403 = @said;
        location /x { return 404; } location /y { return 403; } location /z { return 404 "own\\n"; }
        location = /err { return 200 "the page\\n"; } location @said { return 410 "gone\\n"; } }""")
    assert (gate.get("/x").status, gate.get("/x").text) == (404, "the page\n")
    assert (gate.get("/y").status, gate.get("/y").text) == (410, "gone\n")
    assert (gate.get("/z").status, gate.get("/z").text) == (404, "own\n")
