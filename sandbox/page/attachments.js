// Legacy attachments: the coloured bar that most alert senders still use.

import { h, link } from "./dom.js";
import { blocks } from "./blocks.js";
import { mrkdwn } from "./mrkdwn.js";
import { withEmoji } from "./emoji.js";
import { unescape } from "./inline.js";
import { clock, dayLabel } from "./time.js";

const NAMED = { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" };

function colour(raw) {
  const value = String(raw ?? "");
  if (Object.hasOwn(NAMED, value)) return NAMED[value];
  const hex = value.startsWith("#") ? value : `#${value}`;
  return /^#[0-9a-f]{3}(?:[0-9a-f]{3})?$/i.test(hex) ? hex : null;
}

const plain = (text) => withEmoji(unescape(text));

function field(spec, scene) {
  return h(
    "div",
    { class: `attachment-field${spec.short ? " is-short" : ""}` },
    spec.title ? h("div", { class: "attachment-field-title" }, plain(spec.title)) : null,
    h("div", { class: "text" }, ...mrkdwn(spec.value, scene.directory)),
  );
}

function one(spec, scene) {
  const words = (text) => mrkdwn(text, scene.directory);
  const footer = [spec.footer ? plain(spec.footer) : null, spec.ts ? `${dayLabel(spec.ts)} at ${clock(spec.ts)}` : null].filter(Boolean).join("  |  ");
  const body = h(
    "div",
    { class: "attachment-body" },
    spec.author_name ? h("div", { class: "attachment-author" }, link(spec.author_link, plain(spec.author_name))) : null,
    spec.title ? h("div", { class: "attachment-title" }, spec.title_link ? link(unescape(spec.title_link), plain(spec.title)) : words(spec.title)) : null,
    spec.text ? h("div", { class: "text" }, ...words(spec.text)) : null,
    spec.fields?.length ? h("div", { class: "attachment-fields" }, ...spec.fields.filter(Boolean).map((f) => field(f, scene))) : null,
    spec.blocks?.length ? h("div", { class: "blocks" }, ...blocks(spec.blocks, scene)) : null,
    spec.actions?.length ? h("div", { class: "actions" }, ...spec.actions.map((action) => h("span", { class: "btn btn-legacy" }, action.url ? link(action.url, plain(action.text)) : plain(action.text)))) : null,
    footer ? h("div", { class: "attachment-footer" }, footer) : null,
  );
  if (!body.childNodes.length && spec.fallback) body.append(h("div", { class: "text" }, ...words(spec.fallback)));
  const bar = h("span", { class: "attachment-bar" });
  const tone = colour(spec.color);
  if (tone) bar.style.background = tone;
  return h("div", {}, spec.pretext ? h("div", { class: "text attachment-pretext" }, ...words(spec.pretext)) : null, h("div", { class: "attachment" }, bar, body));
}

export function attachments(list, scene) {
  return (list ?? []).filter((spec) => spec && typeof spec === "object").map((spec) => one(spec, scene));
}
