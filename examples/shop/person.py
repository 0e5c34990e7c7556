"""A person with a browser, played: opens a page of the authorization server, signs in, and allows what is asked.

It fills in the same forms that people see, in their order, and keeps cookies as a browser does. It runs no scripts: the
pages have none. After `pages_max` pages it gives up.
"""
import html.parser
import urllib.error
import urllib.parse
import urllib.request

pages_max = 6


class Form(html.parser.HTMLParser):
    """The form of a page: where it goes, and what its fields hold."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields, self.words = None, {}, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        if tag == "form":
            self.action = known.get("action")
        if tag == "input" and "name" in known:
            self.fields[known["name"]] = known.get("value") or ""
        if tag == "button" and "name" in known:
            self.fields[known["name"]] = "allow"

    def handle_data(self, data):
        if data.strip():
            self.words.append(data.strip())


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Browser:
    def __init__(self):
        self.opener = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))
        self.cookies = {}

    def open(self, url, form=None):
        """The page and its address, behind redirects. Where one leads to another server, its address without a page."""
        server = urllib.parse.urlsplit(url).netloc
        for _ in range(pages_max):
            request = urllib.request.Request(url, urllib.parse.urlencode(form).encode() if form is not None else None)
            if self.cookies:
                request.add_header("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
            try:
                answer = self.opener.open(request, timeout=30)
            except urllib.error.HTTPError as error:
                answer = error
            for line in answer.headers.get_all("Set-Cookie") or ():
                name, _, value = line.split(";")[0].partition("=")
                self.cookies[name] = value
            if answer.status not in (302, 303):
                return answer.read().decode(), url
            url, form = urllib.parse.urljoin(url, answer.headers["Location"]), None
            if urllib.parse.urlsplit(url).netloc != server:
                return "", url
        raise RuntimeError("too many redirects")


def allow(url, name, password):
    """Opens a page as `name`, signs in, allows what is asked. Returns the words of the last page, and its address."""
    browser = Browser()
    page, url = browser.open(url)
    for _ in range(pages_max):
        form = Form(page)
        if form.action is None:
            break
        answers = {"username": name, "password": password}
        filled = {field: answers.get(field, value) for field, value in form.fields.items()}
        page, url = browser.open(urllib.parse.urljoin(url, form.action), filled)
    return " ".join(Form(page).words), url
