// Where a person writes. Enter sends, Shift+Enter makes a new line; "/" and "@" offer what can be written.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const COMMANDS = [
  ["/rca status", "what is being investigated now"],
  ["/rca run ", "start an investigation: /rca run <playbook or alert text>"],
  ["/rca help", "what can be asked"],
];
const MAX_SUGGESTIONS = 6;

export class Composer {
  /** `inThread`: Slack has no slash commands in threads, so none are offered or sent there. `send(text)` may reject. */
  constructor({ inThread, send, people, notify }) {
    Object.assign(this, { inThread, send, people, notify });
    this.input = h("textarea", { rows: 1, class: "composer-input", spellcheck: "true" });
    this.button = h("button", { type: "submit", class: "send", "aria-label": "Send", disabled: true }, icon("send", 18));
    this.options = h("div", { class: "suggestions", role: "listbox", hidden: true });
    const insert = (text, glyph, label) => h("button", { type: "button", class: "composer-tool", title: label, "aria-label": label, on: { click: () => this.insert(text) } }, icon(glyph, 18));
    const tools = h("div", { class: "composer-tools" }, insert("@rca ", "at", "Mention @rca"), inThread ? null : insert("/rca ", "slash", "Slash command"), h("span", { class: "spring" }), h("span", { class: "composer-hint" }, h("kbd", {}, "Enter"), " to send"), this.button);
    this.form = h("form", { class: "composer" }, this.options, this.input, tools);
    this.node = h("div", { class: "composer-wrap" }, this.form);
    this.form.addEventListener("submit", (event) => (event.preventDefault(), this.submit()));
    this.input.addEventListener("input", () => this.changed());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => setTimeout(() => (this.options.hidden = true), 120));
  }

  label(text) {
    this.input.placeholder = text;
    this.input.setAttribute("aria-label", text);
  }

  insert(text) {
    const start = text.startsWith("/") ? "" : this.input.value;
    this.input.value = start && !/\s$/.test(start) ? `${start} ${text}` : start + text;
    this.input.focus();
    this.changed();
  }

  changed() {
    this.button.disabled = !this.input.value.trim();
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 160)}px`;
    this.suggest();
  }

  suggest() {
    const text = this.input.value;
    const word = /(?:^|\s)@([\w.-]{0,30})$/.exec(text.slice(0, this.input.selectionStart));
    let found = [];
    if (text.startsWith("/") && !this.inThread) found = COMMANDS.filter(([command]) => command.startsWith(text.trim()) && command.trim() !== text.trim());
    else if (word) {
      const all = [["rca", "asks the bot"], ...this.people().filter(([name]) => name !== "rca")];
      found = all.filter(([name]) => name.toLowerCase().startsWith(word[1].toLowerCase())).map(([name, note]) => [`@${name} `, note, word[1].length + 1]);
    }
    this.found = found.slice(0, MAX_SUGGESTIONS);
    this.at = 0;
    this.options.hidden = !this.found.length;
    this.drawOptions();
  }

  drawOptions() {
    const row = ([text, note], n) => h("button", { type: "button", class: "suggestion", role: "option", "aria-selected": String(n === this.at), on: { pointerdown: (event) => (event.preventDefault(), this.choose(n)) } }, h("b", {}, text.trim()), h("span", {}, note));
    this.options.replaceChildren(...this.found.map(row));
  }

  choose(n) {
    const [text, , replace] = this.found[n];
    const { value, selectionStart } = this.input;
    this.input.value = replace ? value.slice(0, selectionStart - replace) + text + value.slice(selectionStart) : text;
    this.input.focus();
    this.changed();
  }

  key(event) {
    const open = !this.options.hidden;
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      this.at = (this.at + (event.key === "ArrowDown" ? 1 : -1) + this.found.length) % this.found.length;
      this.drawOptions();
    } else if (open && event.key === "Tab") this.choose(this.at);
    else if (open && event.key === "Escape") this.options.hidden = true;
    else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.submit();
    else return;
    event.preventDefault();
  }

  async submit() {
    const text = this.input.value.trim();
    if (!text) return;
    if (this.inThread && text.startsWith("/")) {
      this.notify("Slash commands do not work in threads. Use the channel, or mention @rca here.");
      return;
    }
    this.input.value = "";
    this.changed();
    try {
      await this.send(text);
    } catch (error) {
      if (!this.input.value) this.input.value = text;
      this.changed();
      this.notify(`Not sent. ${error.message}`);
    }
  }
}
