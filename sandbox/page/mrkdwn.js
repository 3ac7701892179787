// Slack's own text language (`*bold*`, `<url|label>`, quotes, code): message texts, sections, contexts, attachments.

import { h } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { icon } from "./icons.js";
import { inline, unescape } from "./inline.js";

const GRAMMAR = { markers: [["*", "b"], ["_", "i"], ["~", "s"]], brackets: false, escapes: false };
const QUOTE = /^(?:&gt;|>)\s?/;
const LONG_QUOTE = /^(?:&gt;|>){3}\s?/;
const BULLET = /^(\s*)([•◦▪‣])\s+/;

/** A fenced block, with a button that copies exactly its text. Long lines wrap, they do not widen the message. */
export function pre(text) {
  const copy = h("button", { type: "button", class: "copy", title: "Copy", "aria-label": "Copy" }, icon("copy", 16));
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.replaceChildren(icon("check", 16));
    setTimeout(() => copy.replaceChildren(icon("copy", 16)), 1500);
  });
  return h("div", { class: "pre-box" }, h("pre", { class: "pre" }, h("code", {}, text)), copy);
}

function lines(text, directory) {
  const out = [];
  let quote = null;
  const rows = text.split("\n");
  for (let n = 0; n < rows.length; n += 1) {
    const row = rows[n];
    if (LONG_QUOTE.test(row)) {
      const rest = [row.replace(LONG_QUOTE, ""), ...rows.slice(n + 1)];
      out.push(h("blockquote", { class: "quote" }, ...rest.flatMap((line, k) => [k ? "\n" : "", ...inline(line, GRAMMAR, directory)])));
      return out;
    }
    if (QUOTE.test(row)) {
      const content = inline(row.replace(QUOTE, ""), GRAMMAR, directory);
      if (quote) quote.append("\n", ...content);
      else out.push((quote = h("blockquote", { class: "quote" }, ...content)));
      continue;
    }
    const last = out.at(-1);
    if (out.length && !quote && !(last instanceof Element && last.matches(".bullet"))) out.push("\n");
    quote = null;
    const bullet = BULLET.exec(row);
    if (bullet) {
      if (out.at(-1) === "\n") out.pop();
      const body = h("span", {}, ...inline(row.slice(bullet[0].length), GRAMMAR, directory));
      out.push(h("span", { class: "bullet" }, h("span", { class: "bullet-mark" }, bullet[2]), body));
    } else out.push(...inline(row, GRAMMAR, directory));
  }
  return out;
}

/** Nodes for a mrkdwn text. `directory` names users, channels and groups. */
export function mrkdwn(text, directory) {
  const source = String(text ?? "");
  const out = [];
  let from = 0;
  while (from < source.length) {
    const open = source.indexOf("```", from);
    const close = open < 0 ? -1 : source.indexOf("```", open + 4);
    if (close < 0) break;
    const before = source.slice(from, open).replace(/\n$/, "");
    if (before) out.push(...lines(before, directory));
    out.push(pre(unescape(source.slice(open + 3, close)).replace(/^\n|\n$/g, "")));
    from = close + 3;
    if (source[from] === "\n") from += 1;
  }
  if (from < source.length) out.push(...lines(source.slice(from), directory));
  return out;
}

/** A text object of Block Kit ({type: mrkdwn|plain_text, text}) or a bare string, which counts as plain. */
export function textObject(object, directory) {
  if (object === null || object === undefined) return [];
  if (typeof object === "string") return [withEmoji(object)];
  if (object.type === "mrkdwn") return mrkdwn(object.text, directory);
  return [object.emoji === false ? String(object.text ?? "") : withEmoji(object.text)];
}
