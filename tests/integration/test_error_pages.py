"""error_page: which answers it replaces, and with what."""


def test_return_of_a_bare_error_has_its_error_page(keepgate):
    gate = keepgate("""server { listen 127.0.0.1:@gate@; error_page 404 /err; error_page 403 = @said;
        location /x { return 404; } location /y { return 403; } location /z { return 404 "own\\n"; }
        location = /err { return 200 "the page\\n"; } location @said { return 410 "gone\\n"; } }""")
    assert (gate.get("/x").status, gate.get("/x").text) == (404, "the page\n")
    assert (gate.get("/y").status, gate.get("/y").text) == (410, "gone\n")
    assert (gate.get("/z").status, gate.get("/z").text) == (404, "own\n")


def test_a_401_whose_page_comes_from_an_upstream_asks_for_credentials(keepgate, origin):
    gate = keepgate("""server { listen 127.0.0.1:@gate@;
        location /a/ { auth_basic "the realm"; auth_basic_user_file nobody; error_page 401 /page; proxy_pass http://@origin@; }
        location /b/ { auth_basic "the realm"; auth_basic_user_file nobody; error_page 401 @page; proxy_pass http://@origin@; }
        location /c/ { auth_basic "the realm"; auth_basic_user_file nobody; error_page 401 =200 /page; proxy_pass http://@origin@; }
        location = /page { proxy_pass http://@origin@; } location @page { proxy_pass http://@origin@; } }""",
        files={"nobody": "x:{PLAIN}y\n"}, values={"origin": origin().address})
    for path in ("/a/", "/b/"):
        answer = gate.get(path)
        assert answer.status == 401 and answer.all("WWW-Authenticate") == ['Basic realm="the realm", charset="UTF-8"'], (path, answer.status)
    assert gate.get("/c/").status == 200 and gate.get("/c/").all("WWW-Authenticate") == []
