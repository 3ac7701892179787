// Files of a message: pictures, foldable previews of text, and a download for everything.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { markdown } from "./markdown.js";
import { pre } from "./mrkdwn.js";
import { bytes } from "./time.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const TEXTS = new Set(["markdown", "md", "text", "txt", "json", "yaml", "yml", "python", "shell", "csv", "log", "diff", "post", "javascript"]);
const PREVIEW_CHARACTERS = 60_000;
const FOLDED_LINES = 60;

const address = (file) => `/ui/file/${encodeURIComponent(file.id)}`;
const NAMES = { markdown: "Markdown", md: "Markdown", json: "JSON", text: "Plain text", txt: "Plain text", yaml: "YAML", yml: "YAML", csv: "CSV" };

function kind(file) {
  return String(file.filetype || file.name?.split(".").at(-1) || "").toLowerCase();
}

const isMarkdown = (file) => ["markdown", "md", "post"].includes(kind(file)) || /\.(md|markdown)$/i.test(file.name ?? "");
const isText = (file) => TEXTS.has(kind(file)) || /^text\/|json|yaml/.test(file.mimetype ?? "") || isMarkdown(file);

/** A picture of the workspace's own; SVG is not among them, because it can hold scripts. */
export function imageFile(file, alt, cssClass = "image") {
  if (!PICTURES.has(file.mimetype)) return h("span", { class: "no-image" }, icon("image", 16), file.name ?? file.id);
  return h("img", { class: cssClass, src: address(file), alt: alt || file.alt_txt || file.title || file.name || "", loading: "lazy" });
}

function download(file) {
  const node = h("a", { class: "file-tool", title: "Download", "aria-label": `Download ${file.name ?? "file"}`, download: file.name ?? file.id }, icon("download", 18));
  node.setAttribute("href", address(file));
  return node;
}

function title(file) {
  const kindName = isMarkdown(file) ? "Markdown" : NAMES[kind(file)] ?? (kind(file).toUpperCase() || "File");
  return h(
    "span",
    { class: "file-words" },
    h("span", { class: "file-name" }, file.title || file.name || file.id),
    h("span", { class: "file-meta" }, file.size ? `${kindName} · ${bytes(file.size)}` : kindName),
  );
}

function snippet(file, scene) {
  const key = `file:${file.id}`;
  const view = scene.memory.get(key) ?? { open: false, raw: false, text: null };
  scene.memory.set(key, view);
  const body = h("div", { class: "file-body" });
  const more = h("button", { type: "button", class: "file-more" });
  const raw = h("button", { type: "button", class: "file-tool file-raw" });
  const box = h("div", { class: "file file-snippet" }, h("div", { class: "file-head" }, h("span", { class: "file-icon" }, icon("file", 18)), title(file), isMarkdown(file) ? raw : null, download(file)), body, more);
  const draw = () => {
    const text = view.text ?? "";
    const shown = text.slice(0, PREVIEW_CHARACTERS);
    const cut = view.open ? shown : shown.split("\n").slice(0, FOLDED_LINES).join("\n");
    const formatted = isMarkdown(file) && !view.raw;
    body.replaceChildren(...(formatted ? [h("div", { class: "text md" }, ...markdown(cut, scene.directory))] : [pre(cut)]));
    if (view.open && text.length > shown.length) body.append(h("p", { class: "file-cut" }, `The preview ends after ${bytes(PREVIEW_CHARACTERS)}; the download holds all of it.`));
    box.classList.toggle("is-open", view.open);
    const long = text.split("\n").length > 7 || text.length > 700;
    more.hidden = !long;
    more.replaceChildren(icon("down", 14, view.open ? "is-up" : ""), view.open ? "Collapse" : `Expand ${text.split("\n").length} lines`);
    raw.replaceChildren(view.raw ? "Formatted" : "Source");
    body.classList.toggle("is-long", long);
  };
  more.addEventListener("click", () => ((view.open = !view.open), draw()));
  raw.addEventListener("click", () => ((view.raw = !view.raw), draw()));
  if (view.text !== null) draw();
  else {
    body.append(h("p", { class: "file-cut" }, "Loading the preview"));
    more.hidden = true;
    scene
      .fetchText(address(file))
      .then((text) => ((view.text = text), draw()))
      .catch((error) => body.replaceChildren(h("p", { class: "file-cut" }, `The preview could not be loaded: ${error.message}. The download may still work.`)));
  }
  return box;
}

/** The files under a message's text. */
export function files(list, scene) {
  return (list ?? []).filter(Boolean).map((known) => {
    const file = { ...scene.directory.file(known.id), ...known };
    if (PICTURES.has(file.mimetype)) return h("figure", { class: "image-block block" }, h("figcaption", {}, file.title || file.name || "", download(file)), imageFile(file));
    if (isText(file)) return snippet(file, scene);
    return h("div", { class: "file" }, h("div", { class: "file-head" }, h("span", { class: "file-icon" }, icon("file", 18)), title(file), download(file)));
  });
}
