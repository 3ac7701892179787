// The rich_text block: what Slack's own composer makes, and what task cards and table cells hold.

import { h, link } from "./dom.js";
import { emojiText } from "./emoji.js";
import { mention } from "./inline.js";
import { pre } from "./mrkdwn.js";
import { datePattern } from "./time.js";

const TAGS = { bold: "b", italic: "i", strike: "s", underline: "u" };

function styled(node, style) {
  let out = node;
  if (style?.code) out = h("code", { class: "code" }, out);
  for (const [name, tag] of Object.entries(TAGS)) if (style?.[name]) out = h(tag, {}, out);
  return out;
}

function leaf(element, directory) {
  const style = element.style;
  switch (element.type) {
    case "text":
      return styled(document.createTextNode(element.text ?? ""), style);
    case "link":
      return styled(link(element.url, element.text || element.url || ""), style);
    case "user":
      return mention("user", `@${directory.user(element.user_id) || element.user_id}`, directory.isMe(element.user_id));
    case "usergroup":
      return mention("group", `@${(directory.group(element.usergroup_id) || element.usergroup_id || "").replace(/^@/, "")}`);
    case "channel":
      return mention("channel", `#${directory.channel(element.channel_id) || element.channel_id}`);
    case "broadcast":
      return mention("broadcast", `@${element.range}`, true);
    case "emoji":
      return h("span", { class: "emoji", title: `:${element.name}:` }, emojiText(element.name));
    case "date":
      return h("time", { class: "date" }, datePattern(element.timestamp, element.format) ?? element.fallback ?? "");
    case "color":
      return h("code", { class: "code" }, element.value ?? "");
    default:
      return document.createTextNode(element.text ?? element.fallback ?? "");
  }
}

const leaves = (elements, directory) => (elements ?? []).map((element) => leaf(element, directory));
const plain = (elements) => (elements ?? []).map((e) => e.text ?? e.url ?? "").join("");

function part(element, directory) {
  switch (element.type) {
    case "rich_text_section":
      return h("div", { class: "rt-section" }, ...leaves(element.elements, directory));
    case "rich_text_preformatted":
      return pre(plain(element.elements));
    case "rich_text_quote":
      return h("blockquote", { class: "quote" }, ...leaves(element.elements, directory));
    case "rich_text_list": {
      const ordered = element.style === "ordered";
      const indent = Math.min(Math.max(Number(element.indent) || 0, 0), 8);
      const items = (element.elements ?? []).map((item) => h("li", {}, ...leaves(item.elements, directory)));
      const start = ordered && element.offset ? Number(element.offset) + 1 : null;
      return h(ordered ? "ol" : "ul", { class: `rt-list level-${indent % 3} indent-${indent}`, start }, ...items);
    }
    default:
      return h("div", { class: "rt-section" }, plain(element.elements));
  }
}

/** Nodes for one rich_text block (or a bare {elements}). */
export function richText(block, directory) {
  return (block?.elements ?? []).map((element) => part(element, directory));
}
