"""Looks at the dashboard with a headless Chromium, of servers that are served already, with agents:

    dashboard.py PROGRAM ENDPOINTS HOST:PORT,PID HOST:PORT,PID... [--pictures FOLDER]

PROGRAM is keelson, ENDPOINTS are the servers' client ports, and each HOST:PORT is a server's HTTP
port. Opens every page, wide and narrow, light and dark; sees a task appear, its output grow, a
key's history and the cluster as it was; then kills the leader in front of a page that it served and
of one that a follower serves. A page knows where those are that have led: leadership goes on once
before.

Prints one line a check and ends with status 1 when any failed.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

SECONDS_MAX = 40
PAGES = ["", "agents", "frameworks", "tasks", "services", "keys", "timeline"]
failures = 0


def check(what, holds, detail=""):
    global failures
    print(f"{'ok' if holds else 'FAILED'}: {what} {'' if holds else detail}", flush=True)
    if not holds:
        failures += 1


def wait(body, seconds=SECONDS_MAX):
    """What `body` answers once that is true; else its last answer, when the time is over."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = body()
        except (WebDriverException, OSError):
            found = None
        if found or time.monotonic() > end:
            return found
        time.sleep(0.05)


def overview(node):
    with urllib.request.urlopen(f"http://{node}/ui/api/overview", timeout=5) as answer:
        return json.load(answer)


def leader_of(nodes):
    """The node that leads, as all of them say."""

    def found():
        seen = {node: overview(node) for node in nodes}
        leaders = {one["leader"] for one in seen.values() if "leader" in one}
        here = [node for node, one in seen.items() if {one["id"]} == leaders]
        return here[0] if here and all("leader" in one for one in seen.values()) else None

    return wait(found)


def move_leadership(program, endpoints, nodes):
    """The node that leads now, and the one that did."""
    first = leader_of(nodes)
    second = next(node for node in nodes if node != first)
    subprocess.run(
        [program, "move-leader", "--endpoints", endpoints, overview(second)["id"]],
        check=True, stdout=subprocess.DEVNULL,
    )
    moved = wait(lambda: leader_of(nodes) == second and len(overview(second)["leaders"]) > 1)
    check("leadership is handed on", moved)
    return second, first


class Browser:
    def __init__(self):
        options = Options()
        for flag in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.binary_location = "/usr/bin/chromium"
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_page_load_timeout(SECONDS_MAX)
        self.size(1600, 1000)

    def size(self, width, height, scheme="light"):
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def run(self, script, *values):
        return self.driver.execute_script(script, *values)

    def open(self, url):
        self.driver.get(url)
        return wait(lambda: self.status() == "live")

    def go(self, page):
        self.run("location.hash = arguments[0]", "#/" + page)

    def status(self):
        return self.run("return document.documentElement.dataset.live")

    def host(self):
        return self.run("return location.host")

    def text(self):
        return self.run("return document.getElementById('main').innerText")

    def shows(self, *words, seconds=SECONDS_MAX):
        return wait(lambda: all(word in self.text() for word in words), seconds)

    def overflow(self):
        return self.run(
            "const page = document.documentElement; return page.scrollWidth - page.clientWidth"
        )

    def complaints(self):
        """Errors of the console. A port without Marathon's API answers 404 for it."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and "/v2/" not in entry["message"]
        ]

    def picture(self, folder, name):
        if folder:
            self.driver.save_screenshot(f"{folder}/{name}.png")


def every_page(browser, folder):
    for width, height in [(1600, 1000), (400, 860)]:
        for scheme in ["light", "dark"]:
            browser.size(width, height, scheme)
            for page in PAGES:
                browser.go(page)
                title = page.capitalize() or "Overview"
                where = f"{title} at {width} px, {scheme}"
                shown = wait(lambda: browser.text().startswith(title))
                check(f"{where} is shown", shown, browser.text()[:200])
                # What it asks for comes a moment later.
                time.sleep(0.5)
                check(f"{where} is no wider than the window", browser.overflow() <= 0)
                browser.picture(folder, f"{title.lower()}-{width}-{scheme}")
    browser.size(1600, 1000)
    complaints = browser.complaints()
    check("the browser has nothing to complain of", not complaints, str(complaints[:3]))


def a_task(browser, program, endpoints, folder):
    """A task that appears while the page is open, and its output while it is written."""
    browser.go("tasks")
    browser.shows("No tasks match")
    task = subprocess.Popen(
        [program, "task", "run", "--name", "seen", "--endpoints", endpoints, "--", "sh", "-c"]
        + ["i=0; while [ $i -lt 100000 ]; do echo line $i; i=$((i+1)); sleep 0.2; done"],
        stdout=subprocess.DEVNULL,
    )
    check("a task appears without a reload", browser.shows("seen", "running"), browser.text())
    row = browser.driver.find_element(By.CSS_SELECTOR, ".vt-row[tabindex='0']")
    row.send_keys(Keys.ENTER)
    check("Enter opens it, and shows what it writes", browser.shows("stdout", "line 1"))
    log = "return document.querySelector('pre.log').textContent.length"
    before = browser.run(log)
    check("what it writes is followed", wait(lambda: browser.run(log) > before))
    browser.picture(folder, "task-1600-light")
    return task


def keys_and_time(browser, program, endpoints):
    for value in ["first", "second"]:
        subprocess.run(
            [program, "kv", "put", "--endpoints", endpoints, "config/greeting", value],
            check=True, stdout=subprocess.DEVNULL,
        )
    browser.go("keys?prefix=config/")
    check("a key is listed", browser.shows("config/greeting"))
    browser.driver.find_element(By.CSS_SELECTOR, ".vt-row").click()
    check("its history has both versions", browser.shows("version 2", "version 1", "second"))
    browser.go("timeline?revision=1")
    check("at the first revision there was nothing", browser.shows("No tasks", "No agents"))
    slider = browser.driver.find_element(By.CSS_SELECTOR, "input[type=range]")
    slider.send_keys(Keys.END)
    check("the slider leads to now", browser.shows("running 1", "seen"), browser.text())


def the_leaders_end(pid, leader, follower, browser, folder):
    """`browser` looks at the leader, another one at a follower."""
    other = Browser()
    try:
        check("a follower serves the same", other.open(f"http://{follower}/"))
        other.go("tasks")
        check("a follower shows the task", other.shows("seen"))
        other.run("window.untouched = true")
        browser.go("tasks")
        browser.shows("seen")
        os.kill(pid, signal.SIGKILL)
        started = time.monotonic()
        stale = wait(lambda: browser.status() == "stale", 15)
        check("the leader's page says since when it is stale", stale)
        browser.picture(folder, "stale-1600-light")
        moved = wait(lambda: browser.host() != leader and browser.status() == "live")
        check("it goes to another node", moved, browser.host())
        print(f"the page of the dead node was live again after {time.monotonic() - started:.1f} s")
        check("and shows the task there", browser.shows("seen"), browser.text())
        other.go("")
        check("the follower's page sees a new leader", other.shows("answer this node", "2 of 3"))
        check("the task goes on there", other.shows("running 1"), other.text())
        check("it was never loaded anew", other.run("return window.untouched === true"))
        check("and is live", wait(lambda: other.status() == "live"))
        other.picture(folder, "follower-1600-light")
    finally:
        other.driver.quit()


def main():
    words = sys.argv[1:]
    folder = ""
    if "--pictures" in words:
        place = words.index("--pictures")
        folder = words[place + 1]
        os.makedirs(folder, exist_ok=True)
        del words[place : place + 2]
    program, endpoints, *nodes = words
    pids = dict(node.split(",") for node in nodes)
    leader, follower = move_leadership(program, endpoints, list(pids))
    browser = Browser()
    task = None
    try:
        check("the first page leads to the dashboard", browser.open(f"http://{leader}/"))
        every_page(browser, folder)
        task = a_task(browser, program, endpoints, folder)
        keys_and_time(browser, program, endpoints)
        the_leaders_end(int(pids[leader]), leader, follower, browser, folder)
    finally:
        if task:
            task.kill()
        browser.driver.quit()
    sys.exit(1 if failures else 0)


main()
