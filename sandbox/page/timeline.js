// The two places that show messages: the channel and the thread beside it. Both keep to the bottom while the reader is there.

import { h, reconcile } from "./dom.js";
import { icon } from "./icons.js";
import { continues, messageNode } from "./message.js";
import { dayKey, dayLabel } from "./time.js";

const NEAR_BOTTOM_PX = 120;

function stick(scroller, draw) {
  const near = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_BOTTOM_PX;
  draw();
  if (near || scroller.fresh) scroller.scrollTop = scroller.scrollHeight;
  scroller.fresh = false;
}

function day(ts) {
  return { key: `day:${dayKey(ts)}`, parts: [dayLabel(ts)], build: () => h("div", { class: "day" }, h("span", {}, dayLabel(ts))) };
}

/** The middle: everything said in the channel. */
export class ChannelView {
  constructor(room, composer) {
    this.room = room;
    this.title = h("h1", { class: "pane-title" });
    this.topic = h("span", { class: "pane-topic" });
    this.list = h("div", { class: "list", role: "log", "aria-label": "Messages" });
    this.scroller = h("div", { class: "scroller" }, this.list);
    this.composer = composer;
    this.node = h("main", { class: "pane pane-channel" }, h("header", { class: "pane-head" }, this.title, this.topic), this.scroller, composer.node);
  }

  show(channel) {
    if (this.channel === channel) return;
    this.channel = channel;
    this.scroller.fresh = true;
    this.list.replaceChildren();
    this.list.rendered = new Map();
  }

  draw(state, openThread) {
    const info = state.directory.channels.get(this.channel);
    this.title.replaceChildren(icon("hash", 18), info?.name ?? "");
    this.topic.textContent = info?.topic?.value ?? (typeof info?.topic === "string" ? info.topic : "");
    const roots = state.roots(this.channel);
    const items = [];
    let above = null;
    for (const message of roots) {
      const newDay = !above || dayKey(above.ts) !== dayKey(message.ts);
      if (newDay) items.push(day(message.ts));
      const replies = message.is_ephemeral ? [] : state.replies(this.channel, message.ts);
      const compact = !newDay && continues(above, message, state.directory);
      const minute = replies.length ? Math.floor(Date.now() / 60_000) : 0;
      items.push({
        key: `${message.is_ephemeral ? "only" : "m"}:${message.ts}`,
        parts: [message, compact, replies.length, replies.at(-1)?.ts ?? "", minute],
        build: () => messageNode(message, this.room, { compact, replies }),
      });
      above = message;
    }
    if (!items.length && state.loaded) {
      const build = () => h("div", { class: "empty" }, h("h2", {}, icon("hash", 24), info?.name ?? ""), h("p", {}, "Nothing has been said here yet. Post an alert from the list on the left, or write below."));
      items.push({ key: "empty", parts: [info?.name], build });
    }
    stick(this.scroller, () => reconcile(this.list, items));
    for (const node of this.list.querySelectorAll(".message")) node.classList.toggle("is-open", node.dataset.ts === openThread);
  }
}

/** The right: one thread, its parent first. */
export class ThreadView {
  constructor(room, composer, onClose) {
    this.room = room;
    this.composer = composer;
    this.where = h("span", { class: "pane-topic" });
    this.list = h("div", { class: "list", role: "log", "aria-label": "Thread" });
    this.status = h("div", { class: "status", role: "status" });
    this.scroller = h("div", { class: "scroller" }, this.list);
    const close = h("button", { type: "button", class: "tool", "aria-label": "Close the thread", on: { click: onClose } }, icon("close", 18));
    this.node = h("aside", { class: "pane pane-thread", hidden: true }, h("header", { class: "pane-head" }, h("h2", { class: "pane-title" }, "Thread"), this.where, h("span", { class: "spring" }), close), this.scroller, this.status, composer.node);
  }

  show(channel, ts) {
    if (this.channel === channel && this.ts === ts) return;
    Object.assign(this, { channel, ts });
    this.node.hidden = !ts;
    this.list.replaceChildren();
    this.list.rendered = new Map();
    this.scroller.fresh = true;
  }

  draw(state) {
    if (!this.ts) return;
    this.where.textContent = `#${state.directory.channel(this.channel)}`;
    const parent = state.message(this.channel, this.ts);
    const replies = state.replies(this.channel, this.ts, { withEphemerals: true });
    const said = replies.filter((reply) => !reply.is_ephemeral).length;
    const items = [];
    if (parent) items.push({ key: "parent", parts: [parent], build: () => messageNode(parent, this.room) });
    else items.push({ key: "gone", parts: [], build: () => h("div", { class: "gone" }, icon("trash", 16), "The first message of this thread was deleted.") });
    if (said) {
      const label = `${said} ${said === 1 ? "reply" : "replies"}`;
      items.push({ key: "count", parts: [label], build: () => h("div", { class: "reply-count" }, h("span", {}, label)) });
    }
    let above = null;
    for (const message of replies) {
      const compact = continues(above, message, state.directory);
      items.push({ key: `${message.is_ephemeral ? "only" : "m"}:${message.ts}`, parts: [message, compact], build: () => messageNode(message, this.room, { compact }) });
      above = message;
    }
    stick(this.scroller, () => reconcile(this.list, items));
    const status = state.status(this.channel, this.ts);
    this.status.replaceChildren(...(status ? [h("span", { class: "dots" }, h("i"), h("i"), h("i")), h("span", {}, `${state.bot.name ?? "RCA"} ${status}`)] : []));
    this.status.classList.toggle("is-on", Boolean(status));
  }
}
