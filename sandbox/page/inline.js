// One reader for the inline part of both of Slack's text languages; mrkdwn.js and markdown.js hold their grammars.
// It reads foreign text: every search that fails is remembered, so the work stays linear however hostile the text is.

import { h, link } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { datePattern, full } from "./time.js";

const WORD = /[\p{L}\p{N}]/u;
const BARE_URL = /https?:\/\/[^\s<>|"'`]{1,2000}/g;

/** Slack escapes exactly three characters. */
export function unescape(text) {
  return String(text ?? "").replace(/&(amp|lt|gt);/g, (_, name) => ({ amp: "&", lt: "<", gt: ">" })[name]);
}

/** Text without markup: emoji names become emoji, bare addresses become links. */
function plain(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(BARE_URL)) {
    const url = unescape(match[0]).replace(/[.,;:!?)\]]+$/, "");
    const raw = match[0].slice(0, match[0].length - (unescape(match[0]).length - url.length));
    nodes.push(withEmoji(unescape(text.slice(from, match.index))), link(url, url));
    from = match.index + raw.length;
  }
  nodes.push(withEmoji(unescape(text.slice(from))));
  return nodes;
}

export function mention(kind, label, mine = false) {
  return h("span", { class: `mention mention-${kind}${mine ? " mention-me" : ""}` }, label);
}

/** What stands between < and >: links, mentions, dates. Returns null for what is not Slack's (it stays text). */
function angle(body, directory) {
  const bar = body.indexOf("|");
  const target = bar < 0 ? body : body.slice(0, bar);
  const label = bar < 0 ? "" : unescape(body.slice(bar + 1));
  let match = /^@([UWB][A-Z0-9]{1,30})$/.exec(target);
  if (match) return mention("user", `@${directory.user(match[1]) || label || match[1]}`, directory.isMe(match[1]));
  match = /^#([CDG][A-Z0-9]{1,30})$/.exec(target);
  if (match) return mention("channel", `#${directory.channel(match[1]) || label || match[1]}`);
  match = /^!subteam\^([A-Z0-9]{1,30})$/.exec(target);
  if (match) return mention("group", `@${(directory.group(match[1]) || label || match[1]).replace(/^@/, "")}`);
  match = /^!(here|channel|everyone)$/.exec(target);
  if (match) return mention("broadcast", `@${match[1]}`, true);
  match = /^!date\^(-?\d{1,13})\^([^^]{1,300})(?:\^(.{1,2000}))?$/.exec(target);
  if (match) {
    const shown = datePattern(match[1], unescape(match[2])) ?? (label || match[2]);
    return match[3] ? link(unescape(match[3]), shown) : h("time", { class: "date", title: full(match[1]) }, shown);
  }
  if (/^https?:\/\//i.test(target)) return link(unescape(target), label ? withEmoji(label) : unescape(target));
  if (/^mailto:/i.test(target)) return h("span", { class: "mail" }, label || unescape(target.slice(7)));
  return null;
}

/** Where `[label](address)` that starts at `start` ends, or null. */
function bracket(text, start) {
  const near = text.slice(start, start + 3000);
  const middle = near.indexOf("](");
  const end = middle < 0 ? -1 : near.indexOf(")", middle + 2);
  if (end < 0) return null;
  return { label: near.slice(1, middle), url: near.slice(middle + 2, end).trim().split(/\s/)[0], end: start + end + 1 };
}

/** The position of the marker that closes the one at `start`, or -1. Code spans and <…> in between are stepped over. */
function closer(text, marker, start) {
  let angles = true;
  for (let i = start; i < text.length; i += 1) {
    if (text[i] === "`") {
      const end = text.indexOf("`", i + 1);
      if (end > 0) i = end;
      continue;
    }
    if (angles && text[i] === "<") {
      const end = text.indexOf(">", i + 1);
      if (end < 0) angles = false;
      else {
        i = end;
        continue;
      }
    }
    if (!text.startsWith(marker, i)) continue;
    const after = text[i + marker.length] ?? " ";
    if (marker.length === 1 && after === marker) i += 1;
    else if (i > start && !/\s/.test(text[i - 1]) && !WORD.test(after)) return i;
  }
  return -1;
}

/**
 * Nodes for one stretch of text. `grammar`: {markers: [[marker, tag]], brackets, escapes}; a marker does not nest in itself.
 */
export function inline(text, grammar, directory) {
  const out = [];
  const dead = new Set();
  let held = "";
  let i = 0;
  const flush = () => {
    if (held) out.push(...plain(held));
    held = "";
  };
  const put = (node, next) => {
    flush();
    out.push(node);
    i = next;
  };
  while (i < text.length) {
    const ch = text[i];
    if (ch === "`") {
      const run = /^`+/.exec(text.slice(i, i + 8))[0];
      const end = dead.has(run) ? -1 : text.indexOf(run, i + run.length);
      if (end > i + run.length || (end > 0 && run.length > 1)) {
        put(h("code", { class: "code" }, unescape(text.slice(i + run.length, end))), end + run.length);
        continue;
      }
      if (end < 0) dead.add(run);
      held += run;
      i += run.length;
      continue;
    }
    if (ch === "<" && !dead.has("<")) {
      const end = text.indexOf(">", i + 1);
      if (end < 0) dead.add("<");
      const node = end > 0 && end - i < 6000 ? angle(text.slice(i + 1, end), directory) : null;
      if (node) {
        put(node, end + 1);
        continue;
      }
    }
    if (grammar.escapes && ch === "\\" && /[\\`*_{}[\]()#+\-.!~|<>]/.test(text[i + 1] ?? "")) {
      held += text[i + 1];
      i += 2;
      continue;
    }
    if (grammar.brackets && (ch === "[" || (ch === "!" && text[i + 1] === "["))) {
      const found = bracket(text, ch === "!" ? i + 1 : i);
      if (found) {
        put(link(unescape(found.url), ...inline(found.label, { ...grammar, brackets: false }, directory)), found.end);
        continue;
      }
    }
    const rule = grammar.markers.find(([marker]) => text.startsWith(marker, i));
    if (rule && !dead.has(rule[0])) {
      const [marker, tag, anywhere] = rule;
      const from = i + marker.length;
      const before = text[i - 1] ?? " ";
      const opens = from < text.length && !/\s/.test(text[from]) && (anywhere || !WORD.test(before)) && before !== marker;
      const end = opens ? closer(text, marker, from) : -1;
      if (end > 0) {
        const inner = { ...grammar, markers: grammar.markers.filter(([other]) => other !== marker) };
        put(h(tag, {}, ...inline(text.slice(from, end), inner, directory)), end + marker.length);
        continue;
      }
      if (opens) dead.add(marker);
      held += marker;
      i = from;
      continue;
    }
    held += ch;
    i += 1;
  }
  flush();
  return out;
}
