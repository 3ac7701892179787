// One message: author, text or blocks, attachments, files, reactions, and the line that leads to its thread.

import { fragment, h } from "./dom.js";
import { attachments } from "./attachments.js";
import { blocks } from "./blocks.js";
import { emoji, emojiText } from "./emoji.js";
import { files } from "./files.js";
import { icon } from "./icons.js";
import { markdown } from "./markdown.js";
import { mrkdwn } from "./mrkdwn.js";
import { author, avatar } from "./people.js";
import { ago, clock, full, shortClock } from "./time.js";

const QUICK = ["+1", "eyes", "white_check_mark"];
const MINUTES_5 = 300;
const NOISE = new Set(["channel_join", "channel_leave", "channel_topic", "channel_purpose", "channel_name", "channel_archive", "bot_add"]);

export const isStreaming = (message) =>
  message.streaming === true || message.streaming_state === "in_progress" || message.streaming?.state === "in_progress";

/** Whether `message` continues the one above it: same author, within five minutes, so that it needs no head of its own. */
export function continues(above, message, directory) {
  if (!above || above.is_ephemeral || message.is_ephemeral || NOISE.has(message.subtype)) return false;
  return author(above, directory).id === author(message, directory).id && Number(message.ts) - Number(above.ts) < MINUTES_5;
}

function text(message, directory) {
  const content = message.markdown_text ? markdown(message.markdown_text, directory) : mrkdwn(message.text, directory);
  return content.length ? h("div", { class: `text${message.markdown_text ? " md" : ""}` }, ...content) : null;
}

function cursor(body) {
  const places = body.querySelectorAll(".text, .rt-section, .md-p, .md-list li, .quote");
  (places[places.length - 1] ?? body).append(h("span", { class: "cursor", "aria-label": "still writing" }));
}

function reactions(message, room) {
  if (!message.reactions?.length) return null;
  const one = (reaction) => {
    const mine = reaction.users?.includes(room.state.me);
    const names = (reaction.users ?? []).map((id) => room.state.directory.user(id) || id).join(", ");
    return h(
      "button",
      { type: "button", class: `reaction${mine ? " is-mine" : ""}`, title: `${names} reacted with :${reaction.name}:`, on: { click: () => room.react(message, reaction.name) } },
      h("span", { class: "emoji" }, emojiText(reaction.name)),
      h("span", { class: "reaction-count" }, reaction.count ?? reaction.users?.length ?? 1),
    );
  };
  return h("div", { class: "reactions" }, ...message.reactions.map(one));
}

function threadLine(message, replies, room) {
  if (!replies?.length) return null;
  const { directory } = room.state;
  const seen = new Map(replies.map((reply) => [author(reply, directory).name, author(reply, directory)]));
  const faces = [...seen.values()].slice(0, 4).map((who) => avatar(who.name, who.app, 24));
  return h(
    "button",
    { type: "button", class: "thread-line", on: { click: () => room.openThread(message.ts) } },
    ...faces,
    h("span", { class: "thread-count" }, `${replies.length} ${replies.length === 1 ? "reply" : "replies"}`),
    h("span", { class: "thread-last" }, `Last reply ${ago(replies.at(-1).ts)}`),
    h("span", { class: "thread-view" }, "View thread"),
    icon("chevron", 14),
  );
}

function toolbar(message, room) {
  if (message.is_ephemeral) return null;
  const quick = QUICK.map((name) => h("button", { type: "button", class: "tool", title: `:${name}:`, "aria-label": `React with ${name}`, on: { click: () => room.react(message, name) } }, h("span", { class: "emoji" }, emoji(name))));
  const reply = room.inThread ? null : h("button", { type: "button", class: "tool", title: "Reply in thread", "aria-label": "Reply in thread", on: { click: () => room.openThread(message.thread_ts ?? message.ts) } }, icon("thread", 18));
  return h("div", { class: "toolbar" }, ...quick, reply);
}

/**
 * Build the node of one message. `room`: {state, channel, inThread, memory(message), act, confirm, fetchText, react, openThread, dismiss};
 * `replies` are those of its thread, where the line that leads there is wanted.
 */
export function messageNode(message, room, { compact = false, replies = null } = {}) {
  const { directory } = room.state;
  const who = author(message, directory);
  const scene = {
    directory,
    memory: room.memory(message),
    confirm: room.confirm,
    fetchText: room.fetchText,
    act: (payload) => room.act({ channel: room.channel, ts: message.ts, ...payload }),
  };
  const edited = message.edited && !message.blocks?.length ? h("span", { class: "edited", title: full(message.edited.ts ?? message.ts) }, "(edited)") : null;
  const quiet = NOISE.has(message.subtype);
  const rendered = message.blocks?.length ? h("div", { class: "blocks" }, ...blocks(message.blocks, scene)) : text(message, directory);
  const content = h(
    "div",
    { class: `content${quiet ? " is-quiet" : ""}` },
    rendered,
    ...attachments(message.attachments, scene),
    ...files(message.files, scene),
  );
  if (edited) (content.querySelector(":scope > .text") ?? content).append(" ", edited);
  if (isStreaming(message)) cursor(content);
  const time = h("time", { class: "time", title: full(message.ts), datetime: new Date(Number(message.ts) * 1000).toISOString() }, compact ? shortClock(message.ts) : clock(message.ts));
  const head = compact ? null : h("div", { class: "head" }, h("span", { class: "name" }, who.name), who.app ? h("span", { class: "app" }, "APP") : null, time);
  const only = message.is_ephemeral
    ? h("div", { class: "only-you" }, icon("eye", 14), h("span", {}, "Only visible to you"), h("button", { type: "button", class: "dismiss", on: { click: () => room.dismiss(message) } }, "Dismiss"))
    : null;
  return h(
    "article",
    { class: `message${compact ? " is-compact" : ""}${message.is_ephemeral ? " is-ephemeral" : ""}`, data: { ts: message.ts } },
    h("div", { class: "gutter" }, compact ? time : avatar(who.name, who.app)),
    h("div", { class: "body" }, fragment(head, only, content, reactions(message, room), threadLine(message, replies, room))),
    toolbar(message, room),
  );
}
