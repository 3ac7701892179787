// What floats above the page: one menu at a time, confirm dialogues, short notices.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { textObject } from "./mrkdwn.js";

let closeMenu = null;

/** Open a menu under (or over) `anchor`; entries are {label, note, chosen, run}. Escape, a click elsewhere or a choice closes it. */
export function menu(anchor, entries) {
  closeMenu?.();
  const items = entries.map((entry) =>
    h(
      "button",
      { type: "button", class: "menu-item", role: "menuitem", on: { click: () => (close(), entry.run()) } },
      h("span", { class: "menu-check" }, entry.chosen ? icon("check", 16) : null),
      h("span", { class: "menu-text" }, ...[entry.label].flat(), entry.note ? h("span", { class: "menu-note" }, ...[entry.note].flat()) : null),
    ),
  );
  const box = h("div", { class: "menu", role: "menu" }, ...items);
  const close = () => {
    box.remove();
    document.removeEventListener("pointerdown", outside, true);
    closeMenu = null;
    anchor.focus?.();
  };
  const outside = (event) => box.contains(event.target) || close();
  box.addEventListener("keydown", (event) => {
    const at = items.indexOf(document.activeElement);
    if (event.key === "Escape") close();
    else if (event.key === "ArrowDown") items[(at + 1) % items.length]?.focus();
    else if (event.key === "ArrowUp") items[(at - 1 + items.length) % items.length]?.focus();
    else return;
    event.preventDefault();
  });
  (anchor.closest("dialog") ?? document.body).append(box);
  const place = anchor.getBoundingClientRect();
  const room = box.getBoundingClientRect();
  const below = place.bottom + 4 + room.height < window.innerHeight;
  box.style.top = `${Math.max(8, below ? place.bottom + 4 : place.top - 4 - room.height)}px`;
  box.style.left = `${Math.max(8, Math.min(place.left, window.innerWidth - room.width - 8))}px`;
  document.addEventListener("pointerdown", outside, true);
  closeMenu = close;
  items[0]?.focus();
}

/** Block Kit's confirm object as a dialogue; true when the person agreed. */
export function confirmDialog(spec, directory) {
  return new Promise((resolve) => {
    const style = spec.style === "danger" ? "btn-danger-fill" : "btn-primary";
    const answer = (value) => () => {
      dialog.close();
      dialog.remove();
      resolve(value);
    };
    const dialog = h(
      "dialog",
      { class: "modal modal-small", on: { cancel: answer(false) } },
      h("header", { class: "modal-head" }, h("h2", {}, ...textObject(spec.title ?? "Are you sure?", directory))),
      h("div", { class: "modal-body" }, h("div", { class: "text" }, ...textObject(spec.text, directory))),
      h(
        "footer",
        { class: "modal-foot" },
        h("button", { type: "button", class: "btn", on: { click: answer(false) } }, ...textObject(spec.deny ?? "Cancel", directory)),
        h("button", { type: "button", class: `btn ${style}`, on: { click: answer(true) } }, ...textObject(spec.confirm ?? "Yes", directory)),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** One line at the bottom of the window that goes away by itself: what could not be done, and why. */
export function notice(text) {
  document.querySelector(".notice")?.remove();
  const node = h("div", { class: "notice", role: "status" }, icon("info", 16), h("span", {}, text));
  document.body.append(node);
  setTimeout(() => node.remove(), 6000);
}
