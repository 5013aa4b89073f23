"""What people see: every page of ours in both languages, both colour schemes and two sizes.

Pictures go to `screens` in the target folder. Each page is held to four things: nothing is wider than
the window, axe finds no violation, nothing was blocked or failed on it, and it works without scripts.
"""

import base64
import contextlib
import http.server
import json
import os
import pathlib
import sys
import tempfile
import threading
import time

from chromium import Browser
from desk import Desk, totp
from stand import HERE, MODULES, Checks, free_port

AXE = (MODULES / "axe-core/axe.min.js").read_text()
SCREENS = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target")) / "screens"
SIZES = {"phone": (320, 640), "desk": (1280, 800)}
CALLBACK = f"http://127.0.0.1:{free_port()}/callback"

# Every element that reaches beyond the window, and what it says.
BEYOND = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')]
  .filter((it) => { const box = it.getBoundingClientRect(); return box.width && (box.right > wide + 0.5 || box.left < -0.5); })
  .filter((it) => { const own = it.parentElement.closest('.wide'); return !own || getComputedStyle(own).overflowX !== 'auto'; })
  .map((it) => `${it.tagName} ${it.textContent.trim().slice(0, 40)}`)
  .concat(document.documentElement.scrollWidth > wide ? [`the page is ${document.documentElement.scrollWidth} wide`] : []);
"""
# Text that is cut off by its own box.
CUT = """
return [...document.querySelectorAll('button, a, label, h1, h2, p, dd, dt, li, code')]
  .filter((it) => it.scrollWidth > it.clientWidth + 1 && getComputedStyle(it).display !== 'inline')
  .map((it) => `${it.tagName} ${it.textContent.trim().slice(0, 40)}`);
"""
# What a finger must hit (WCAG 2.2, 2.5.8): 24 by 24, but for links within text.
SMALL = """
return [...document.querySelectorAll('button, input:not([type=hidden]), a.button')]
  .filter((it) => it.getClientRects().length)
  .filter((it) => { const box = it.getBoundingClientRect(); return box.width < 44 || box.height < 44; })
  .map((it) => `${it.tagName} ${it.textContent.trim().slice(0, 40)}`);
"""
# A code that somebody copies by hand stands on one line.
BROKEN = """
return [...document.querySelectorAll('.codes code')].filter((it) => it.getClientRects().length > 1)
  .map((it) => it.textContent);
"""
RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ['violations', 'incomplete'] }).then(
  ({ violations, incomplete }) => done([violations, incomplete].map((list) => list.map(
    (it) => ({ id: it.id, help: it.help, nodes: it.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)) })))),
  (error) => done([[{ id: 'axe', help: String(error) }], []]));
"""


class Tour:
    """One person's way through the pages in one language."""

    def __init__(self, checks, browser, desk, language):
        self.checks, self.browser, self.desk, self.language = checks, browser, desk, language
        self.seen = []

    def authorize(self, client_id, **more):
        """The address a client opens."""
        return f"{self.desk.gateway.url('/oauth/authorize')}?{self.desk.asks(client_id, CALLBACK, **more)}"

    def look(self, name, holds, scrolls=False):
        """Holds the page to all that pages are held to, and keeps its pictures. Where tables scroll on a
        phone, axe cannot measure what is out of sight; the desk shows the same."""
        label = f"{name}, {self.language}"
        there = self.browser.find(holds) is not None
        self.checks.check(f"{label}: is the page", there, f"{self.browser.url.split('?')[0]} {self.browser.text()[:300]}")
        if not there:
            return
        self.seen.append(name)
        tag = self.browser.find("html").get_attribute("lang")
        self.checks.check(f"{label}: says its language", tag == self.language, tag)
        run = self.browser.driver.execute_script
        faults, doubts = {}, {}
        for dark in (False, True):
            self.browser.dark(dark)
            for size, (width, height) in SIZES.items():
                self.browser.size(width, height)
                where = f"{'dark' if dark else 'light'}, {size}"
                self.browser.picture(SCREENS / f"{name}-{self.language}-{where.replace(', ', '-')}.png")
                for what, script in (("beyond the window", BEYOND), ("cut off", CUT), ("too small", SMALL), ("broken", BROKEN)):
                    found = run(script)
                    if found:
                        faults[f"{where}: {what}"] = found
                run(AXE)
                violations, incomplete = self.browser.driver.execute_async_script(RUN_AXE)
                if violations:
                    faults[f"{where}: axe"] = violations
                unsure = [one for one in incomplete if one["id"] == "color-contrast"]
                if unsure and not (scrolls and size == "phone"):
                    faults[f"{where}: contrast not measured"] = unsure
        self.checks.check(f"{label}: nothing beyond the window, cut off, broken or too small, no axe violation", not faults,
                          json.dumps(faults, ensure_ascii=False)[:1500])

    def signs_in(self, person, password=None):
        self.browser.fill("input[name=username]", person[0])
        self.browser.fill("input[name=password]", password or person[1])
        self.browser.press("form[action='/oauth/sign-in'] button[type=submit]")

    def sends_code(self, code):
        self.browser.fill("input[name=code]", code)
        self.browser.press("form:has(input[name=code]) button[type=submit]")

    def answered(self, name, *holds):
        url = self.browser.url
        held = url.startswith(CALLBACK) and all(text in url for text in holds)
        self.checks.check(f"{name}, {self.language}: the answer goes to the client", held, url.split("code=")[0])

    def blocked(self):
        """What Chromium would not do, or could not."""
        log = self.browser.driver.get_log("browser")
        return [line["message"][:300] for line in log
                if line["level"] == "SEVERE" and CALLBACK.split("/callback")[0] not in line["message"]
                and "status of 4" not in line["message"]]


def tour(checks, browser, desk, language, client_id, person):
    """From the first sight of the sign-in to the last of the sign-out."""
    one = Tour(checks, browser, desk, language)
    browser.forget()
    browser.language({"en": "en-US,en;q=0.9", "ko": "ko-KR,ko;q=0.9"}[language])
    browser.driver.get_log("browser")
    browser.open(one.authorize(client_id))
    one.look("sign-in", "input[name=username]")
    one.signs_in(person, "not the password")
    one.look("sign-in-refused", "[role=alert]")
    one.signs_in(person)
    one.look("consent", "button[value=allow]")
    browser.press("button[value=allow]")
    one.answered("consent", "code=", "iss=")
    recovery = second_factor(one, browser, desk)
    again(one, browser, client_id, person, recovery)
    account(one, browser, desk, client_id)
    blocked = one.blocked()
    checks.check(f"{language}: the browser blocked nothing and nothing failed", not blocked, json.dumps(blocked))


def second_factor(one, browser, desk):
    """Makes one from the account; returns recovery codes."""
    browser.open(desk.gateway.url("/oauth/second-factor"))
    one.look("make-second-factor", "#key")
    key = browser.find("#key").text
    one.sends_code("000000")
    one.look("make-second-factor-refused", "[role=alert]")
    key = browser.find("#key").text
    one.sends_code(totp(key))
    one.look("recovery-codes", ".codes")
    return [it.text for it in browser.driver.find_elements("css selector", ".codes code")]


def again(one, browser, client_id, person, recovery):
    """A browser that is not known asks for the second factor, and consent can be denied."""
    browser.forget()
    browser.open(one.authorize(client_id, prompt="consent"))
    one.signs_in(person)
    one.look("second-factor", "input[name=code]")
    one.sends_code("ABCDE-12345")
    one.look("second-factor-refused", "[role=alert]")
    one.sends_code(recovery[0])
    browser.press("button[value=deny]")
    one.answered("consent denied", "error=access_denied", "iss=")


def account(one, browser, desk, client_id):
    browser.open(desk.gateway.url("/oauth/account"))
    one.look("account", "#sessions")
    browser.open(one.authorize("nobody-knows-it"))
    one.look("error", "[role=alert]")
    browser.open(desk.gateway.url("/oauth/sign-out"))
    one.look("sign-out", "form[action='/oauth/sign-out'] button")
    browser.press("form[action='/oauth/sign-out'] button")
    one.look("signed-out", "a[href='/oauth/sign-in']")
    browser.open(one.authorize(client_id))
    one.checks.check(f"signed out, {one.language}: the next request asks who it is", browser.find("input[name=username]"))


def without_scripts(checks, browser, desk, client_id, person):
    """The same way for somebody who lets no page run scripts."""
    one = Tour(checks, browser, desk, "en")
    browser.forget()
    browser.language("en")
    browser.scripts(False)
    try:
        browser.open(one.authorize(client_id, prompt="consent"))
        one.signs_in(person)
        browser.press("button[value=allow]")
        one.answered("without scripts", "code=")
        browser.open(desk.gateway.url("/oauth/second-factor"))
        one.sends_code(totp(browser.find("#key").text))
        codes = browser.driver.find_elements("css selector", ".codes code")
        checks.check("without scripts: a second factor is made", len(codes) >= 8, browser.text()[:300])
        spare = codes[0].text
        browser.forget()
        browser.open(one.authorize(client_id, prompt="consent"))
        one.signs_in(person)
        one.sends_code(spare)
        browser.press("button[value=allow]")
        one.answered("without scripts, with a second factor", "code=")
    finally:
        browser.scripts(True)


def passkey(checks, browser, desk, client_id, person):
    """A passkey of Chromium's own virtual authenticator is made, and signs in."""
    one = Tour(checks, browser, desk, "en")
    browser.forget()
    browser.cdp("WebAuthn.enable")
    made = browser.cdp("WebAuthn.addVirtualAuthenticator", options={
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    })
    browser.open(one.authorize(client_id, prompt="consent"))
    one.signs_in(person)
    browser.open(desk.gateway.url("/oauth/second-factor"))
    one.look("make-passkey", "form#passkey[data-do=create]:not([hidden])")
    browser.press("form#passkey button")
    kept = browser.cdp("WebAuthn.getCredentials", authenticatorId=made["authenticatorId"])["credentials"]
    checks.check("passkey: the authenticator holds one", len(kept) == 1, str(len(kept)))
    browser.forget()
    browser.open(one.authorize(client_id, prompt="consent"))
    one.signs_in(person)
    one.look("passkey", "form#passkey[data-do=get]:not([hidden])")
    browser.press("form#passkey button")
    browser.press("button[value=allow]")
    one.answered("passkey", "code=")
    browser.cdp("WebAuthn.removeVirtualAuthenticator", authenticatorId=made["authenticatorId"])


def report(checks, browser, desk, home, language):
    """The report for an auditor, on the screen and on paper."""
    one = Tour(checks, browser, desk, language)
    file = pathlib.Path(home) / f"report-{language}.html"
    desk.gateway.cli("--lang", language, "audit", "report", "--from", "1d", "-o", file)
    browser.open(file.as_uri())
    one.look("report", "main section", scrolls=True)
    browser.dark(False)
    # The width of A4 between the margins: nothing scrolls on paper.
    browser.cdp("Emulation.setEmulatedMedia", media="print")
    browser.size(672, 960)
    found = {what: browser.driver.execute_script(script) for what, script in (("beyond the paper", BEYOND), ("cut off", CUT))}
    browser.picture(SCREENS / f"report-{language}-paper.png")
    checks.check(f"report, {language}: nothing is cut off on paper", not any(found.values()), json.dumps(found, ensure_ascii=False)[:1500])
    paper = base64.b64decode(browser.cdp("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False,
                                         preferCSSPageSize=True)["data"])
    (SCREENS / f"report-{language}.pdf").write_bytes(paper)
    checks.check(f"report, {language}: it prints", paper.startswith(b"%PDF"), repr(paper[:40]))
    browser.cdp("Emulation.setEmulatedMedia", media="")


def framed(checks, browser, desk, client_id):
    """A page of somebody else's shows the sign-in in a frame, and sees nothing of it."""
    inner = Tour(checks, browser, desk, "en").authorize(client_id)

    class Page(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            body = f"<iframe src='{inner}'></iframe>".encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser.forget()
    browser.open(f"http://127.0.0.1:{server.server_address[1]}/")
    time.sleep(0.5)
    browser.driver.switch_to.frame(0)
    shown = browser.find("input[name=username]")
    browser.driver.switch_to.default_content()
    server.shutdown()
    checks.check("framed by another site: nothing is shown", shown is None)
    browser.open(inner)
    checks.check("the same page by itself: shown", browser.find("input[name=username]"))


def main():
    checks = Checks()
    SCREENS.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        desk = stack.enter_context(Desk(home))
        browser = stack.enter_context(Browser())
        client_id = desk.add_client("Claude Code", "--redirect-uri", CALLBACK)["client_id"]
        for language in ("en", "ko"):
            with checks.guard(f"the pages, {language}"):
                tour(checks, browser, desk, language, client_id, desk.person(f"yuna-{language}", "staff"))
        for name in (without_scripts, passkey):
            with checks.guard(name.__name__):
                name(checks, browser, desk, client_id, desk.person(name.__name__.replace("_", "-"), "staff"))
        for language in ("en", "ko"):
            with checks.guard(f"the report, {language}"):
                report(checks, browser, desk, home, language)
        with checks.guard("framed"):
            framed(checks, browser, desk, client_id)
    checks.close()


if __name__ == "__main__":
    sys.exit(main())
