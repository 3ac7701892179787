// The wire: what goes between the bot and the workspace, newest at the bottom. One quiet line until it is opened.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const MAX_LINES = 400;

function stamp(at) {
  const time = typeof at === "number" || /^\d+(\.\d+)?$/.test(String(at ?? "")) ? new Date(Number(at) * (Number(at) > 1e12 ? 1 : 1000)) : new Date(at ?? NaN);
  if (Number.isNaN(time.getTime())) return String(at ?? "");
  return `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

// A line is "→ method ok · 3 ms" for a call of the bot, "← envelope · ack 4 ms" for a delivery, "✗ …" for one that was given up.
function row({ at, line }) {
  const bad = /^✗|^→ \S+ (?!ok\b)[a-z_]+ · /.test(line);
  return h("div", { class: `wire-row${bad ? " is-bad" : ""}` }, h("span", { class: "wire-at" }, stamp(at)), h("span", { class: "wire-text" }, line));
}

export class Wire {
  constructor() {
    this.last = h("span", { class: "wire-last" }, "what goes between the bot and the workspace");
    this.count = h("span", { class: "wire-count" });
    this.rows = h("div", { class: "wire-rows", role: "log", "aria-label": "Wire", tabindex: "0" });
    this.head = h("button", { type: "button", class: "wire-head", "aria-expanded": "false" }, icon("wire", 16), h("b", {}, "Wire"), this.last, this.count, icon("chevron", 14, "wire-chevron"));
    this.node = h("section", { class: "wire is-folded" }, this.head, this.rows);
    this.drawn = null;
    this.head.addEventListener("click", () => {
      const folded = this.node.classList.toggle("is-folded");
      this.head.setAttribute("aria-expanded", String(!folded));
      this.rows.scrollTop = this.rows.scrollHeight;
    });
  }

  draw(state) {
    const list = state.activity;
    if (!list.length || list.at(-1) === this.drawn) return;
    const near = this.rows.scrollHeight - this.rows.scrollTop - this.rows.clientHeight < 60;
    this.rows.append(...list.slice(this.drawn ? list.indexOf(this.drawn) + 1 : 0).map(row));
    while (this.rows.childElementCount > MAX_LINES) this.rows.firstElementChild.remove();
    this.drawn = list.at(-1);
    this.last.textContent = this.drawn.line;
    this.count.textContent = `${list.length}${list.length >= MAX_LINES ? "+" : ""}`;
    if (near) this.rows.scrollTop = this.rows.scrollHeight;
  }
}
