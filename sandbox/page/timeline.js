// The two places that show messages: the channel and the thread beside it. Both keep to the bottom while the reader is there.

import { h, reconcile } from "./dom.js";
import { icon } from "./icons.js";
import { continues, messageNode } from "./message.js";
import { dayKey, dayLabel } from "./time.js";

const NEAR_END_PX = 80;
const BY_HAND_MS = 1000;

/**
 * A scrolling box that stays at its end while the reader is there, also when something in it grows later (a preview, a picture).
 * The end is where the newest speaker begins, if what they said is taller than the box: a verdict's first line is never scrolled away.
 */
function sticky(list) {
  const scroller = h("div", { class: "scroller" }, list);
  let atEnd = true;
  const end = () => {
    const bottom = scroller.scrollHeight - scroller.clientHeight;
    const newest = [...list.querySelectorAll(":scope > .message:not(.is-compact)")].at(-1);
    return newest ? Math.max(0, Math.min(bottom, newest.offsetTop - scroller.offsetTop)) : bottom;
  };
  // Only a hand leaves the end: focus that returns to a button, or a box that shrinks, scrolls too and means nothing.
  let touched = -Infinity;
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) scroller.addEventListener(kind, () => (touched = performance.now()), { passive: true });
  scroller.addEventListener("scroll", () => {
    const near = scroller.scrollTop > end() - NEAR_END_PX;
    if (near) atEnd = true;
    else if (performance.now() - touched < BY_HAND_MS) atEnd = false;
  });
  const follow = () => {
    if (atEnd && scroller.scrollTop < end()) scroller.scrollTop = end();
  };
  new ResizeObserver(follow).observe(list);
  new ResizeObserver(follow).observe(scroller);
  return { node: scroller, toEnd: () => ((atEnd = true), (scroller.scrollTop = end())) };
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
    this.scroller = sticky(this.list);
    this.composer = composer;
    this.node = h("main", { class: "pane pane-channel" }, h("header", { class: "pane-head" }, this.title, this.topic), this.scroller.node, composer.node);
  }

  toEnd() {
    this.scroller.toEnd();
  }

  show(channel) {
    if (this.channel === channel) return;
    this.channel = channel;
    this.scroller.toEnd();
    this.list.replaceChildren();
    this.list.rendered = new Map();
  }

  draw(state, openThread) {
    const info = state.directory.channels.get(this.channel);
    if (info) this.title.replaceChildren(info.is_im ? "" : icon("hash", 18), state.directory.channel(info.id));
    this.topic.textContent = info?.topic?.value ?? (typeof info?.topic === "string" ? info.topic : "");
    const roots = state.roots(this.channel);
    const items = [];
    let above = null;
    let aboveHasThread = false;
    for (const message of roots) {
      const newDay = !above || dayKey(above.ts) !== dayKey(message.ts);
      if (newDay) items.push(day(message.ts));
      const replies = message.is_ephemeral ? [] : state.replies(this.channel, message.ts);
      const compact = !newDay && !aboveHasThread && continues(above, message, state.directory);
      aboveHasThread = replies.length > 0;
      const minute = replies.length ? Math.floor(Date.now() / 60_000) : 0;
      items.push({
        key: `${message.is_ephemeral ? "only" : "m"}:${message.ts}`,
        parts: [message, compact, replies.length, replies.at(-1)?.ts ?? "", minute],
        build: () => messageNode(message, this.room, { compact, replies }),
      });
      above = message;
    }
    if (!items.length && state.loaded) {
      const build = () => h("div", { class: "empty" }, h("h2", {}, state.directory.place(this.channel)), h("p", {}, "Nothing has been said here yet. Post an alert from the list on the left, or write below."));
      items.push({ key: "empty", parts: [info?.name], build });
    }
    reconcile(this.list, items);
    for (const node of this.list.querySelectorAll(".message")) node.classList.toggle("is-open", node.dataset.ts === openThread);
  }
}

/** The right: one thread, its parent first. */
export class ThreadView {
  /** `actions`: {close, stop}; stop is Slack's own Stop, offered while the bot says that it is at work. */
  constructor(room, composer, { close: onClose, stop }) {
    Object.assign(this, { room, stop });
    this.composer = composer;
    this.where = h("span", { class: "pane-topic" });
    this.list = h("div", { class: "list", role: "log", "aria-label": "Thread" });
    this.status = h("div", { class: "status", role: "status" });
    this.scroller = sticky(this.list);
    const close = h("button", { type: "button", class: "tool", "aria-label": "Close the thread", on: { click: onClose } }, icon("close", 18));
    this.node = h("aside", { class: "pane pane-thread", hidden: true }, h("header", { class: "pane-head" }, h("h2", { class: "pane-title" }, "Thread"), this.where, h("span", { class: "spring" }), close), this.scroller.node, this.status, composer.node);
  }

  toEnd() {
    this.scroller.toEnd();
  }

  show(channel, ts) {
    if (this.channel === channel && this.ts === ts) return;
    Object.assign(this, { channel, ts });
    this.node.hidden = !ts;
    this.list.replaceChildren();
    this.list.rendered = new Map();
    this.scroller.toEnd();
  }

  draw(state) {
    if (!this.ts) return;
    this.where.textContent = state.directory.place(this.channel);
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
    reconcile(this.list, items);
    const status = state.status(this.channel, this.ts);
    if (status === this.said) return;
    this.said = status;
    const parts = () => [
      h("span", { class: "dots" }, h("i"), h("i"), h("i")),
      h("span", { class: "status-text" }, `${state.bot.name ?? "RCA"} ${status}`),
      h("button", { type: "button", class: "status-stop", on: { click: this.stop } }, "Stop"),
    ];
    this.status.replaceChildren(...(status ? parts() : []));
    this.status.classList.toggle("is-on", Boolean(status));
  }
}
