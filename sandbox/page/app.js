// The page: a Slack-like view of the local workspace. Here the parts meet; each part is a module of its own.

import { h } from "./dom.js";
import { Composer } from "./composer.js";
import { fetchText, follow, post } from "./link.js";
import { Modal } from "./modal.js";
import { confirmDialog, notice } from "./overlay.js";
import { Rail } from "./rail.js";
import { State } from "./state.js";
import { ChannelView, ThreadView } from "./timeline.js";
import { Wire } from "./activity.js";

const state = new State();
const memories = new Map();
const unread = new Map();
let channel = "";
let thread = null; // {channel, ts}
let pending = false;

/** What a person folded, chose or paged in a message; it outlives the redraw that every update brings. */
function memory(message) {
  const key = `${message.is_ephemeral ? "only" : "m"}:${message.channel ?? channel}:${message.ts}`;
  if (!memories.has(key)) memories.set(key, new Map());
  return memories.get(key);
}

async function tell(path, body, what) {
  try {
    return await post(path, body);
  } catch (error) {
    notice(`${what} ${error.message}`);
    return null;
  }
}

function room(inThread) {
  return {
    state,
    inThread,
    memory,
    fetchText,
    confirm: (spec) => confirmDialog(spec, state.directory),
    get channel() {
      return inThread ? (thread?.channel ?? channel) : channel;
    },
    act: (payload) => tell("/ui/action", payload, "The click did not reach the bot."),
    react(message, name) {
      return tell("/ui/react", { channel: this.channel, ts: message.ts, name }, "The reaction was not added.");
    },
    openThread: (ts) => openThread(channel, ts),
    dismiss: (message) => state.dismiss(message.ts),
  };
}

const people = () => [...state.directory.users.values()].filter((user) => !user.is_bot).map((user) => [user.name, state.directory.user(user.id)]);
async function say(place, text, view) {
  await post("/ui/say", { ...place, text });
  view.toEnd();
}
const channelComposer = new Composer({ inThread: false, people, notify: notice, send: (text) => say({ channel }, text, channelView) });
const threadComposer = new Composer({ inThread: true, people, notify: notice, send: (text) => say({ channel: thread.channel, thread_ts: thread.ts }, text, threadView) });
const channelView = new ChannelView(room(false), channelComposer);
const threadView = new ThreadView(room(true), threadComposer, {
  close: () => openThread(channel, null),
  stop: () => tell("/ui/stop", { channel: thread.channel, thread_ts: thread.ts }, "The bot was not stopped."),
});
const wire = new Wire();
const rail = new Rail({
  open: (id) => openChannel(id),
  sample: async (one) => {
    const target = state.channels.find((info) => info.id === one.channel || `#${info.name}` === one.channel || info.name === one.channel);
    if (target) openChannel(target.id);
    await tell("/ui/sample", { id: one.id }, "The alert was not posted.");
  },
});
const modal = new Modal(state, {
  fetchText,
  notify: notice,
  confirm: (spec) => confirmDialog(spec, state.directory),
  act: (payload) => tell("/ui/action", payload, "The click did not reach the bot."),
  submit: (id, values) => post("/ui/view_submit", { view_id: id, values }),
  close: async (id) => {
    state.closeView(id);
    await tell("/ui/view_close", { view_id: id }, "The bot did not hear that the form was closed.");
  },
});

const link = h("span", { class: "link-state" });
const topBar = h("header", { class: "top" }, h("div", { class: "top-pill" }, h("span", { class: "top-dot" }), link));
const stage = h("div", { class: "stage" }, h("div", { class: "panes" }, channelView.node, threadView.node), wire.node);
document.getElementById("app").replaceChildren(topBar, h("div", { class: "shell" }, rail.node, stage));

function openChannel(id) {
  channel = id;
  unread.delete(id);
  if (thread && thread.channel !== id) thread = null;
  draw();
}

function openThread(inChannel, ts) {
  thread = ts ? { channel: inChannel, ts } : null;
  draw();
}

function draw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    render();
  });
}

function render() {
  const name = state.directory.channel(channel);
  document.title = name ? `${state.directory.place(channel)} · ${state.team.name ?? "workspace"}` : "Workspace";
  document.body.classList.toggle("is-offline", state.loaded && !state.connected);
  link.textContent = state.connected || !state.loaded ? `${state.team.name ?? "Workspace"} · local workspace on ${location.host}` : "Connection lost. Trying again.";
  channelComposer.label(`Message ${state.directory.place(channel)}`);
  threadComposer.label("Reply");
  rail.draw(state, channel, unread);
  if (channel) {
    channelView.show(channel);
    channelView.draw(state, thread?.channel === channel ? thread.ts : null);
  }
  threadView.show(thread?.channel ?? "", thread?.ts ?? "");
  threadView.draw(state);
  stage.classList.toggle("has-thread", Boolean(thread));
  wire.draw(state);
  modal.draw();
}

/** The message that a permalink (/archives/C…/p1763800000000100?thread_ts=…) points at, or null. */
function permalink() {
  const match = /^\/archives\/([A-Z0-9]+)\/p(\d{10})(\d{6})$/.exec(location.pathname);
  const where = match && state.message(match[1], `${match[2]}.${match[3]}`);
  return where ? { channel: match[1], ts: where.thread_ts ?? where.ts } : null;
}

/** A thread that gets its first reply opens by itself, unless somebody is writing in another one. */
function watch({ kind, fresh, message, channel: where }) {
  if (kind === "load") {
    if (!state.directory.channels.has(channel)) {
      const newest = permalink() ?? state.newestThread();
      channel = newest?.channel ?? state.channels.find((info) => info.name === "alerts")?.id ?? state.channels[0]?.id ?? "";
      if (newest) thread = { channel: newest.channel, ts: newest.ts };
    }
  } else if (kind === "message" && fresh) {
    const isReply = message.thread_ts && message.thread_ts !== message.ts;
    const busy = threadComposer.input.value.trim() !== "";
    if (isReply && where === channel && !busy && state.replies(where, message.thread_ts).length === 1) thread = { channel: where, ts: message.thread_ts };
    if (!isReply && where !== channel && message.user !== state.me) unread.set(where, (unread.get(where) ?? 0) + 1);
  }
}

state.addEventListener("change", (event) => {
  watch(event.detail);
  draw();
});
setInterval(draw, 30_000);
follow(state);
