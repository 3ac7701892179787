"""Pictures of the workspace page, for looking at it: `python tests/sandbox/shoot_page.py --out DIR [--url http://127.0.0.1:PORT/]`.

Without --url it shows the hand-written workspace of page_fixture.py. Not part of the product.
"""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import page_fixture as fixture
import page_gallery
import page_kit
from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
SIZES = {"tall": (1440, 2900), "1440": (1440, 900), "1280": (1280, 720)}


def open_thread(ts: str) -> Callable[[Page], None]:
    return lambda page: page.locator(f'.pane-channel [data-ts="{ts}"] .thread-line').click()


def gallery(page: Page) -> None:
    page.locator(".rail-item", has_text="general").click()
    page.wait_for_timeout(200)


def form(page: Page) -> None:
    page.locator(".send").first.wait_for()


SCENES: dict[str, Callable[[Page], None]] = {
    "confirmed": open_thread(fixture.CRASH),
    "running": open_thread(fixture.RUNNING),
    "inconclusive": open_thread(fixture.SLOW),
    "model-down": open_thread(fixture.MODEL),
    "gallery": gallery,
    "modal": form,
}


def shoot(out: Path, url: str | None, names: list[str], schemes: list[str], sizes: list[str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        for scheme in schemes:
            for size in sizes:
                width, height = SIZES[size]
                context: Any = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="UTC"
                )
                for name in names if url is None else ["live"]:
                    page = context.new_page()
                    page.on("console", lambda message: sys.stderr.write(f"console: {message.text}\n"))
                    page.on("pageerror", lambda error: sys.stderr.write(f"error: {error}\n"))
                    if url is None:
                        snapshot = fixture.state()
                        if name == "modal":
                            snapshot["views"] = [page_gallery.MODAL]
                        fixture.serve(page, snapshot, [], [])
                        page.route_web_socket("**/ui/events", lambda socket: None)
                        page.clock.set_fixed_time(datetime.fromtimestamp(page_kit.NOW, UTC))
                    page.goto(url or fixture.ORIGIN + "/")
                    page.locator(".message").first.wait_for()
                    if url is None:
                        SCENES[name](page)
                    page.mouse.move(5, 5)
                    page.wait_for_timeout(400)
                    page.screenshot(path=out / f"{name}-{scheme}-{size}.png")
                    page.close()
                context.close()
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--url")
    parser.add_argument("--scenes", nargs="*", default=list(SCENES))
    parser.add_argument("--schemes", nargs="*", default=["light", "dark"])
    parser.add_argument("--sizes", nargs="*", default=list(SIZES))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    shoot(options.out, options.url, options.scenes, options.schemes, options.sizes)


if __name__ == "__main__":
    main()
