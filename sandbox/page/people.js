// Who wrote a message, and their picture. Pictures are drawn here: initials for people, a plain glyph for apps.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const GLYPHS = [
  [/^rca\b/i, "magnifier", "slate"],
  [/alert ?manager|prometheus/i, "flame", "ember"],
  [/signoz/i, "pulse", "coral"],
  [/grafana/i, "bars", "amber"],
  [/deploy|argo|flux|ci\b|github|gitlab/i, "wire", "teal"],
];
const TONES = ["teal", "plum", "moss", "sky", "rose", "sand"];

function tone(text) {
  let sum = 0;
  for (const ch of String(text)) sum = (sum * 31 + ch.codePointAt(0)) % 9973;
  return TONES[sum % TONES.length];
}

/** {id, name, app} of a message's author, from the most specific name that the message carries. */
export function author(message, directory) {
  const user = directory.users.get(message.user);
  const app = Boolean(message.bot_id || message.subtype === "bot_message" || user?.is_bot);
  const human = !message.bot_id && user && !user.is_bot;
  const name = (human ? directory.user(message.user) : "") || message.username || message.bot_profile?.name || directory.user(message.user) || message.bot_id || "unknown";
  return { id: message.bot_id && !message.username ? message.bot_id : `${message.user ?? ""}${message.username ?? ""}`, name, app };
}

/** A square picture for a name. */
export function avatar(name, app, size = 36) {
  const known = app ? GLYPHS.find(([pattern]) => pattern.test(name)) : null;
  const initials = String(name).split(/[\s._-]+/).filter(Boolean).slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");
  const content = known ? icon(known[1], Math.round(size * 0.62)) : app ? icon("robot", Math.round(size * 0.62)) : initials;
  return h("span", { class: `avatar avatar-${size} avatar-${known?.[2] ?? tone(name)}`, "aria-hidden": "true" }, content);
}
