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
    this.offer = section("Post an alert", this.samples);
    this.node = h("nav", { class: "rail", "aria-label": "Workspace" }, this.team, h("div", { class: "rail-scroll" }, section("Channels", this.channels), section("Apps", this.apps), this.offer));
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
    const direct = state.channels.find((info) => info.is_im && info.user === (state.bot.user_id ?? state.bot.id));
    const on = Boolean(direct) && direct.id === current;
    const app = () =>
      h(
        direct ? "button" : "div",
        { type: direct ? "button" : null, class: `rail-item rail-app${on ? " is-on" : ""}`, on: direct ? { click: () => this.open(direct.id) } : {} },
        avatar(name, true, 20),
        h("span", { class: "rail-name" }, name),
      );
    reconcile(this.apps, [{ key: "bot", parts: [name, direct?.id, on], build: app }]);
    const sample = (one) => ({ key: String(one.id), parts: [one.title, one.sender], build: () => this.sampleNode(one, !state.directory.isPerson(one.sender)) });
    this.offer.hidden = !state.samples.length;
    reconcile(this.samples, state.samples.map(sample));
  }

  sampleNode(one, app) {
    const title = [one.sender, one.description].filter(Boolean).join(": ");
    const node = h("button", { type: "button", class: "rail-item rail-sample", title, data: { sample: one.id } }, avatar(one.sender ?? "", app, 20), h("span", { class: "rail-name" }, one.title ?? one.id));
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
