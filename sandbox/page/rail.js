// The left rail: channels, and the alerts that can be posted with one click.

import { h, reconcile } from "./dom.js";
import { icon } from "./icons.js";
import { avatar } from "./people.js";

export class Rail {
  /** `open(channelId)`, `sample(id)`; both may reject. */
  constructor({ open, sample }) {
    Object.assign(this, { open, sample });
    this.team = h("div", { class: "team" });
    this.channels = h("div", { class: "rail-list" });
    this.apps = h("div", { class: "rail-list" });
    this.samples = h("div", { class: "rail-list rail-samples" });
    const section = (title, list) => h("section", { class: "rail-section" }, h("h2", { class: "rail-title" }, title), list);
    this.node = h("nav", { class: "rail", "aria-label": "Workspace" }, this.team, h("div", { class: "rail-scroll" }, section("Channels", this.channels), section("Apps", this.apps), section("Post an alert", this.samples)));
  }

  draw(state, current, unread) {
    this.team.textContent = state.team.name ?? "Workspace";
    const channel = (info) => {
      const count = unread.get(info.id) ?? 0;
      const on = info.id === current;
      const cls = `rail-item${on ? " is-on" : ""}${count ? " is-unread" : ""}`;
      const build = () => h("button", { type: "button", class: cls, "aria-current": on ? "page" : null, on: { click: () => this.open(info.id) } }, icon("hash", 16), h("span", { class: "rail-name" }, info.name), count ? h("span", { class: "badge" }, count > 99 ? "99+" : count) : null);
      return { key: info.id, parts: [info.name, on, count], build };
    };
    reconcile(this.channels, state.channels.filter((info) => !info.is_im).map(channel));
    const name = state.bot.name ?? "RCA";
    const app = () => h("div", { class: "rail-item rail-app" }, avatar(name, true, 20), h("span", { class: "rail-name" }, name), h("span", { class: `presence${state.connected ? " is-on" : ""}` }));
    reconcile(this.apps, [{ key: "bot", parts: [name, state.connected], build: app }]);
    const sample = (one) => ({ key: String(one.id), parts: [one.title, one.sender], build: () => this.sampleNode(one) });
    reconcile(this.samples, state.samples.map(sample));
  }

  sampleNode(one) {
    const title = [one.sender, one.description].filter(Boolean).join(": ");
    const node = h("button", { type: "button", class: "rail-item rail-sample", title, data: { sample: one.id } }, avatar(one.sender ?? "", true, 20), h("span", { class: "rail-name" }, one.title ?? one.id));
    node.addEventListener("click", async () => {
      node.setAttribute("aria-busy", "true");
      try {
        await this.sample(one);
      } finally {
        node.removeAttribute("aria-busy");
      }
    });
    return node;
  }
}
