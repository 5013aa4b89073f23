"""Debian's Chromium without a window, driven by its own driver, and what a person does in it."""

import base64
import contextlib
import time

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"


class Browser:
    """One browser until the block ends; what it stored is forgotten by `forget`."""

    def __init__(self):
        options = Options()
        options.binary_location = CHROMIUM
        # Chromium's own sandbox refuses to run as root, as in a container; it visits this machine only.
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                         "--no-first-run", "--disable-background-networking", "--disable-component-update",
                         "--hide-scrollbars", "--force-color-profile=srgb"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_page_load_timeout(30)
        self.language()

    def cdp(self, method, **parameters):
        """One command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(method, parameters)

    def language(self, tag="en"):
        """What the person reads: `Accept-Language` of all that follows."""
        self.cdp("Network.enable")
        self.cdp("Network.setExtraHTTPHeaders", headers={"Accept-Language": tag})

    def dark(self, wanted):
        """The colour scheme the person prefers."""
        scheme = "dark" if wanted else "light"
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def size(self, width, height):
        """The window, in CSS pixels."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                 mobile=width < 500)

    def scripts(self, allowed):
        """Whether pages may run scripts; what the test itself asks of a page still works."""
        self.cdp("Emulation.setScriptExecutionDisabled", value=not allowed)

    def forget(self):
        """Signed in nowhere any more."""
        self.cdp("Network.clearBrowserCookies")

    def open(self, url):
        """Goes there; an address that nobody answers on is where it goes too."""
        with contextlib.suppress(WebDriverException):
            self.driver.get(url)

    url = property(lambda self: self.driver.current_url)

    def find(self, selector):
        """The first element there is, or None."""
        try:
            return self.driver.find_element(By.CSS_SELECTOR, selector)
        except NoSuchElementException:
            return None

    def text(self):
        """What the page says."""
        body = self.find("body")
        return body.text if body else ""

    def fill(self, selector, value):
        field = self.find(selector)
        field.clear()
        field.send_keys(value)

    def press(self, selector):
        """Presses it and waits until the page it is on has gone."""
        before = self.find("html")
        self.find(selector).click()
        end = time.monotonic() + 15
        while time.monotonic() < end:
            try:
                before.is_enabled()
            except (StaleElementReferenceException, NoSuchElementException, WebDriverException):
                return
            time.sleep(0.02)
        raise TimeoutError(f"nothing followed on {selector} at {self.url}: {self.text()[:300]}")

    def picture(self, path):
        """The whole page as PNG, however long it is."""
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()


# ---- what a person does --------------------------------------------------------------------------


def signs_in(browser, url, back, person, on_page=None):
    """Follows an address to `back`, on whose pages soever; `person` is name and password.

    Every page is answered by what it asks for: the provider's sign-in and consent, and ours.
    `on_page` sees each page before it is answered.
    """
    browser.open(url)
    for _ in range(14):
        if browser.url.startswith(back):
            return browser.url
        if on_page:
            on_page(browser)
        if not answered(browser, person):
            break
    raise RuntimeError(f"stuck at {browser.url.split('?')[0]}: {browser.text()[:400]!r}")


def answered(browser, person):
    """Does what the page asks; False when it asks for nothing known."""
    name, password = person[:2]
    if browser.find("input[name=login]"):
        browser.fill("input[name=login]", name)
        browser.fill("input[name=password]", password)
        browser.press("button[type=submit]")
    elif browser.find("input[name=prompt][value=consent]"):
        browser.press("button[type=submit]")
    else:
        return ours(browser, person)
    return True


def ours(browser, person):
    """Haechi's own pages. A third part of `person` is the name of the provider to sign in at, and a
    fourth gives the second factor's code."""
    name, password, provider, code = (*person, None, None)[:4]
    if browser.find("form[action='/oauth/consent']"):
        browser.press("form[action='/oauth/consent'] button[value=allow]")
    elif provider and browser.find(f"a[href*='/oauth/federation/{provider}']"):
        browser.press(f"a[href*='/oauth/federation/{provider}']")
    elif browser.find("input[name=username]"):
        browser.fill("input[name=username]", name)
        browser.fill("input[name=password]", password)
        browser.press("form[action='/oauth/sign-in'] button[type=submit]")
    elif code and browser.find("input[name=code]"):
        browser.fill("input[name=code]", code())
        browser.press("form:has(input[name=code]) button[type=submit]")
    else:
        return False
    return True
